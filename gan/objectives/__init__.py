"""What D and G minimize: objectives, and penalties on D's slope."""

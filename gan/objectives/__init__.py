"""What D and G minimize: objectives, and penalties on the slope of D."""

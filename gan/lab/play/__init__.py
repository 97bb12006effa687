"""What the view "Play" does with a trained generator."""

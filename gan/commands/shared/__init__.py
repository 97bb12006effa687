"""What the commands share: their options, outputs, progress, signals and streams."""

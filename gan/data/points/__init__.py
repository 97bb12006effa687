"""Points of a plane as training data: known patterns, files, and batches."""

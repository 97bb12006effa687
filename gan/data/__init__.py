"""Training images: data sets, files, batches and clusters."""

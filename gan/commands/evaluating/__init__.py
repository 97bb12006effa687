"""What `byhand evaluate` does with each kind of images; `byhand train` uses its FID."""

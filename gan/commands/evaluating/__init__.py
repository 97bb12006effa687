"""What `byhand evaluate` does with images other than MNIST's digits."""

"""The same networks, steps and epochs in PyTorch."""

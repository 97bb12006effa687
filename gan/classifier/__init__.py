"""The digit classifier: its network, its training, and its use on pictures."""

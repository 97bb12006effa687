"""One training step, opened: its events as pages see them."""

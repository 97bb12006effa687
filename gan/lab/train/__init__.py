"""What the view "Train" does: runs that the lab starts, and runs of others that it watches."""

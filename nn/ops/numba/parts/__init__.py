"""What a thread computes of a kernel: some rows, columns or images."""

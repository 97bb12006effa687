"""What `nn.gradcheck` is made of: finite differences, comparisons with them, the layer protocol, and the report."""

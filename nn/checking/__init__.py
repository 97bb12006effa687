"""The parts of `nn.gradcheck`: finite differences, the layer protocol, and the report."""

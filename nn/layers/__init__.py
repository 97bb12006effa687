"""The layers, one module each; `nn` exports them, and `nn.layers.base` has the protocol."""

"""Networks as ONNX models: the form of each layer, and the graph that they are written into."""

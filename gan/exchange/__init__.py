"""Weights in the formats of other libraries: ONNX, safetensors and PyTorch."""

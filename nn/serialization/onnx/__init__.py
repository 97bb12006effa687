"""Networks as ONNX models: the form of each layer, and the graph that they are written into."""

from nn.serialization.onnx import (  # noqa: F401  each registers the forms in it
    activations,
    affine,
    attention,
    containers,
    images,
    normalization,
    shapes,
)

"""The ONNX form of self-attention."""

from nn.layers.attention import SelfAttention2d
from nn.serialization.onnx.forms import onnx_form
from nn.serialization.onnx.graph import Graph
from nn.settings import Shape


@onnx_form(SelfAttention2d)
def attention(layer: SelfAttention2d, graph: Graph, x: str, shape: Shape) -> str:
    """y = gamma o + x, o = softmax(q k^T) h Wv, with the pixels of an image as rows."""
    channels, height, width = shape
    pixels = graph.node("Transpose", x, perm=[0, 2, 3, 1])
    X = graph.node("Reshape", pixels, graph.constant([0, height * width, channels]))
    q, k, h = (graph.node("MatMul", X, graph.weights(layer, name)) for name in ("Wq", "Wk", "Wh"))
    S = graph.node("MatMul", q, graph.node("Transpose", k, perm=[0, 2, 1]))
    m = graph.node("MatMul", graph.node("Softmax", S, axis=-1), h)
    o = graph.node("MatMul", m, graph.weights(layer, "Wv"))
    o = graph.node("Reshape", o, graph.constant([0, height, width, channels]))
    o = graph.node("Transpose", o, perm=[0, 3, 1, 2])
    return graph.node("Add", graph.node("Mul", o, graph.weights(layer, "gamma")), x)

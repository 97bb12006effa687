"""ONNX forms of the activations."""

from nn.layers.activations import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh
from nn.ops.base.activations import GELU_A, GELU_C
from nn.serialization.onnx.forms import onnx_form
from nn.serialization.onnx.graph import Graph
from nn.settings import Shape


@onnx_form(LeakyReLU)
def leaky_relu(layer: LeakyReLU, graph: Graph, x: str, shape: Shape) -> str:
    """A LeakyRelu node."""
    return graph.node("LeakyRelu", x, alpha=float(layer.slope))


@onnx_form(ReLU)
def relu(layer: ReLU, graph: Graph, x: str, shape: Shape) -> str:
    """A Relu node."""
    return graph.node("Relu", x)


@onnx_form(Sigmoid)
def sigmoid(layer: Sigmoid, graph: Graph, x: str, shape: Shape) -> str:
    """A Sigmoid node."""
    return graph.node("Sigmoid", x)


@onnx_form(Tanh)
def tanh(layer: Tanh, graph: Graph, x: str, shape: Shape) -> str:
    """A Tanh node."""
    return graph.node("Tanh", x)


@onnx_form(SiLU)
def silu(layer: SiLU, graph: Graph, x: str, shape: Shape) -> str:
    """y = x s, s = 1 / (1 + exp(-x))."""
    return graph.node("Mul", x, graph.node("Sigmoid", x))


@onnx_form(GELU)
def gelu(layer: GELU, graph: Graph, x: str, shape: Shape) -> str:
    """y = x (1 + tanh(x (c + c a x^2))) / 2; opset 17 has no Gelu node."""
    c, ca, one, half = (graph.constant(n) for n in (GELU_C, GELU_C * GELU_A, 1.0, 0.5))
    square = graph.node("Mul", x, x)
    factor = graph.node("Add", graph.node("Mul", square, ca), c)
    t = graph.node("Tanh", graph.node("Mul", x, factor))
    return graph.node("Mul", graph.node("Mul", x, half), graph.node("Add", t, one))

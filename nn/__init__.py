"""Neural networks with every gradient written by hand, on NumPy arrays or, unchanged, on CuPy arrays."""

from nn import waiting

with waiting.settings(waiting.OPENBLAS):
    import numpy  # noqa: F401

from nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from nn.augmentation import Cutout, RandomShift
from nn.batchnorm import BatchNorm
from nn.conv import Conv2d, ConvTranspose2d
from nn.dense import Dense
from nn.dropout import Dropout
from nn.errors import ByhandError, DataError, DeviceError, DeviceMemoryError, DtypeError, RunError, ShapeError, WeightsError
from nn.gradcheck import gradcheck
from nn.initializers import Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Normal, TorchDefault
from nn.layer import Layer
from nn.losses import BCE, BCEWithLogits, Hinge, Mean, MeanSquaredError, SoftmaxCrossEntropy
from nn.ops import get_ops
from nn.optimizers import SGD, Adam, RMSProp
from nn.pooling import AvgPool2d, MaxPool2d, Upsample
from nn.reshape import Flatten, Reshape
from nn.sequential import Sequential
from nn.spectral_norm import SpectralNorm
from nn.weights import load_weights, save_weights

__all__ = [name for name, value in list(globals().items()) if not name.startswith("_") and hasattr(value, "__module__")]

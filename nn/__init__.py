"""Neural networks with every gradient written by hand, on NumPy arrays or, unchanged, on CuPy arrays."""

import os

# An idle thread of OpenBLAS spins for 2^26 clock ticks before it sleeps. Where cores are shared with other work, that takes
# time from the thread that goes on with biases, activations and Adam: with 2^20 ticks, half a millisecond, which still
# bridges the gap between two products, steps were a tenth to a third faster there, and as fast where nothing else runs.
# OpenBLAS reads this when NumPy is first imported: it has no effect in a program that imports NumPy before this package.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")

from nn.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from nn.layers.augmentation import Cutout, RandomShift
from nn.layers.batchnorm import BatchNorm
from nn.layers.conv import Conv2d, ConvTranspose2d
from nn.layers.dense import Dense
from nn.layers.dropout import Dropout
from nn.errors import ByhandError, DeviceError, DeviceMemoryError, DtypeError, ShapeError, WeightsError
from nn.gradcheck import gradcheck
from nn.initializers import Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Normal, TorchDefault
from nn.layers.base import Layer
from nn.losses import BCE, BCEWithLogits, Hinge, Mean, MeanSquaredError, SoftmaxCrossEntropy
from nn.ops import get_ops
from nn.optimizers import SGD, Adam, RMSProp
from nn.layers.pooling import AvgPool2d, MaxPool2d, Upsample
from nn.layers.reshape import Flatten, Reshape
from nn.layers.sequential import Sequential
from nn.layers.spectral_norm import SpectralNorm
from nn.serialization.weights import load_weights, save_weights

__all__ = [name for name, value in list(globals().items()) if not name.startswith("_") and hasattr(value, "__module__")]

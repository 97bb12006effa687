"""Neural networks with every gradient written by hand, on NumPy arrays or, unchanged, on CuPy's."""

from nn import launcher, waiting

with waiting.settings(waiting.OPENBLAS), launcher.blas_threads(launcher.cores()):
    import numpy  # noqa: F401

from nn.errors import (
    ByhandError,
    DeviceError,
    DeviceMemoryError,
    DtypeError,
    FileError,
    MissingLibraryError,
    ProcessesError,
    ShapeError,
    WeightsError,
)
from nn.gradcheck import gradcheck
from nn.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Normal,
    TorchDefault,
)
from nn.layers.activations import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh
from nn.layers.attention import SelfAttention2d
from nn.layers.augmentation import Cutout, RandomShift
from nn.layers.base import Layer
from nn.layers.batchnorm import BatchNorm
from nn.layers.conv import Conv2d
from nn.layers.conv_transpose import ConvTranspose2d
from nn.layers.dense import Dense
from nn.layers.dropout import Dropout
from nn.layers.embedding import Embedding
from nn.layers.global_pooling import GlobalAvgPool2d
from nn.layers.groupnorm import GroupNorm
from nn.layers.layernorm import LayerNorm
from nn.layers.pixelnorm import PixelNorm
from nn.layers.pooling import AvgPool2d, MaxPool2d, Upsample
from nn.layers.reshape import Flatten, Reshape
from nn.layers.residual import Residual
from nn.layers.sequential import Sequential
from nn.layers.spectral_norm import SpectralNorm
from nn.losses import BCE, L1, BCEWithLogits, Hinge, Mean, MeanSquaredError, SoftmaxCrossEntropy
from nn.ops import get_ops
from nn.optimizers.adam import Adam, AdamW
from nn.optimizers.rmsprop import RMSProp
from nn.optimizers.sgd import SGD
from nn.schedules import (
    ConstantSchedule,
    CosineSchedule,
    InverseSqrtSchedule,
    LinearSchedule,
    StepSchedule,
    WarmupSchedule,
)
from nn.serialization.weights import load_weights, save_weights
from nn.version import __version__ as __version__

__all__ = [
    "Adam",
    "AdamW",
    "AvgPool2d",
    "BCE",
    "BCEWithLogits",
    "BatchNorm",
    "ByhandError",
    "Constant",
    "ConstantSchedule",
    "Conv2d",
    "ConvTranspose2d",
    "CosineSchedule",
    "Cutout",
    "Dense",
    "DeviceError",
    "DeviceMemoryError",
    "Dropout",
    "DtypeError",
    "Embedding",
    "FileError",
    "Flatten",
    "GELU",
    "GlobalAvgPool2d",
    "GlorotNormal",
    "GlorotUniform",
    "GroupNorm",
    "HeNormal",
    "HeUniform",
    "Hinge",
    "InverseSqrtSchedule",
    "L1",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LinearSchedule",
    "MaxPool2d",
    "Mean",
    "MeanSquaredError",
    "MissingLibraryError",
    "Normal",
    "PixelNorm",
    "ProcessesError",
    "RMSProp",
    "RandomShift",
    "ReLU",
    "Reshape",
    "Residual",
    "SGD",
    "SelfAttention2d",
    "Sequential",
    "SiLU",
    "ShapeError",
    "Sigmoid",
    "SoftmaxCrossEntropy",
    "SpectralNorm",
    "StepSchedule",
    "Tanh",
    "TorchDefault",
    "Upsample",
    "WarmupSchedule",
    "WeightsError",
    "get_ops",
    "gradcheck",
    "load_weights",
    "save_weights",
]

"""The layers by their names, as weights files spell them."""

from nn.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from nn.layers.augmentation import Cutout, RandomShift
from nn.layers.batchnorm import BatchNorm
from nn.layers.conv import Conv2d, ConvTranspose2d
from nn.layers.dense import Dense
from nn.layers.dropout import Dropout
from nn.layers.pooling import AvgPool2d, MaxPool2d, Upsample
from nn.layers.reshape import Flatten, Reshape
from nn.layers.sequential import Sequential
from nn.layers.spectral_norm import SpectralNorm

LAYERS = {
    layer.__name__: layer
    for layer in (
        *(Dense, Conv2d, ConvTranspose2d, SpectralNorm, AvgPool2d, MaxPool2d, Upsample, RandomShift, Cutout),
        *(ReLU, LeakyReLU, Sigmoid, Tanh, Dropout, BatchNorm, Flatten, Reshape, Sequential),
    )
}

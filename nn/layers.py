"""The layers by their names, as weights files spell them."""

from nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from nn.augmentation import Cutout, RandomShift
from nn.batchnorm import BatchNorm
from nn.conv import Conv2d, ConvTranspose2d
from nn.dense import Dense
from nn.dropout import Dropout
from nn.pooling import AvgPool2d, MaxPool2d, Upsample
from nn.reshape import Flatten, Reshape
from nn.sequential import Sequential
from nn.spectral_norm import SpectralNorm

LAYERS = {
    layer.__name__: layer
    for layer in (
        *(Dense, Conv2d, ConvTranspose2d, SpectralNorm, AvgPool2d, MaxPool2d, Upsample, RandomShift, Cutout),
        *(ReLU, LeakyReLU, Sigmoid, Tanh, Dropout, BatchNorm, Flatten, Reshape, Sequential),
    )
}

"""All elementwise kernels by name, collected from the themes."""

from nn.ops.cuda.activations import ACTIVATIONS
from nn.ops.cuda.arrays import ARRAYS
from nn.ops.cuda.augmentation import AUGMENTATION
from nn.ops.cuda.conv import CONV
from nn.ops.cuda.normalization import NORMALIZATION
from nn.ops.cuda.optimizers import OPTIMIZERS
from nn.ops.cuda.pooling import POOLING
from nn.ops.cuda.random import RANDOM
from nn.ops.cuda.sources import Elementwise

ELEMENTWISE: dict[str, Elementwise] = {
    **ARRAYS,
    **CONV,
    **POOLING,
    **AUGMENTATION,
    **ACTIVATIONS,
    **NORMALIZATION,
    **OPTIMIZERS,
    **RANDOM,
}

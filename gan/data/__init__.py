"""Training images: data sets, files, batches and clusters."""

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
from gan.data.images.arrays import from_array
from gan.data.images.cifar10 import cifar10
from gan.data.images.folder import from_folder
from gan.data.images.image_set import ImageSet

__all__ = ["ImageSet", "cifar10", "from_array", "from_folder"]

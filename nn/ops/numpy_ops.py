"""The CPU backend, and the reference that every other backend is tested against.

Each primitive writes into an array that it is given (`out=`, or a name that ends in `_`) and allocates nothing after its
first call: what it needs between two passes lies in a scratch buffer that is valid only inside that primitive. Long
elementwise chains are walked in blocks, so that the second pass over a block finds it in the cache.
"""

import numpy as np

from nn.ops.numpy_augmentation import NumpyAugmentation
from nn.ops.numpy_conv import NumpyConv
from nn.ops.numpy_losses import NumpyLosses
from nn.ops.numpy_normalization import NumpyNormalization
from nn.ops.numpy_optimizers import NumpyOptimizers
from nn.ops.numpy_pooling import NumpyPooling
from nn.ops.numpy_stream import NumpyStream


class NumpyOps(NumpyConv, NumpyPooling, NumpyAugmentation, NumpyLosses, NumpyNormalization, NumpyOptimizers):
    """All primitives on NumPy arrays."""

    device = "cpu"

    def gather_rows(self, bytes_, index, scale, shift, *, out):
        """out[i] = scale bytes_[index[i]] + shift: a batch of uint8 images as floats, converted once."""
        rows = self._scratch((len(index), *bytes_.shape[1:]), np.uint8)
        np.take(bytes_, index, axis=0, out=rows, mode="clip")
        np.copyto(out, rows.reshape(out.shape))
        return np.add(np.multiply(out, scale, out=out), shift, out=out)

    def stream(self, seed_sequence):
        """An independent stream of random numbers on this device."""
        return NumpyStream(seed_sequence)

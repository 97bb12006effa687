"""Random numbers on the CPU."""

import numpy as np

from nn.errors import DeviceError


class NumpyStream:
    """A stream of random numbers, drawn into given arrays; equal seeds give equal bytes.

    SFC64 is the fastest of NumPy's bit generators. `state` is plain integers and strings: it goes into JSON.
    """

    def __init__(self, seed_sequence):
        self._generator = np.random.Generator(np.random.SFC64(seed_sequence))

    def normal_(self, out):
        """Fill with the standard normal distribution."""
        self._generator.standard_normal(out=in_memory_order(out), dtype=out.dtype)
        return out

    def uniform_(self, out, low=0.0, high=1.0):
        """Fill with the uniform distribution on [low, high)."""
        self._generator.random(out=in_memory_order(out), dtype=out.dtype)
        np.multiply(out, high - low, out=out)
        return np.add(out, low, out=out)

    def dropout_mask_(self, out, p):
        """Fill with 0, with probability p, or 1 / (1 - p): an element's expectation is 1."""
        self._generator.random(out=in_memory_order(out), dtype=out.dtype)
        np.greater_equal(out, p, out=out)
        return np.multiply(out, 1 / (1 - p), out=out)

    def shuffle_(self, index):
        """Permute a vector in place, every order being equally likely."""
        self._generator.shuffle(index)
        return index

    @property
    def state(self):
        held = self._generator.bit_generator.state
        return {**held, "state": {"state": [int(word) for word in held["state"]["state"]]}}

    @state.setter
    def state(self, state):
        if state.get("bit_generator") != "SFC64":
            raise DeviceError(
                f"random state: expected one of SFC64, as device 'cpu' draws, got {state.get('bit_generator')}; "
                "go on on the device where it was saved"
            )
        words = np.array(state["state"]["state"], np.uint64)
        if words.shape != (4,):  # of which NumPy would read four, whatever lies there
            raise ValueError(f"random state: expected four words, got shape {words.shape}")
        self._generator.bit_generator.state = {**state, "state": {"state": words}}


def in_memory_order(x):
    """The same elements, the axes in the order of their strides: NumPy's generators fill nothing but C-contiguous arrays,
    and images lie channels-last."""
    return x if x.flags.c_contiguous else x.transpose(sorted(range(x.ndim), key=lambda axis: -x.strides[axis]))

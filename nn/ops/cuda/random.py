"""Random numbers on a CUDA device."""

import numpy as np

from nn.errors import DeviceError
from nn.ops.numpy.random import chances

GENERATOR = "Philox4x32-10"


class CudaStream:
    """A stream of random numbers, drawn into given arrays on the device; equal seeds give equal bytes.

    The n-th number is a function of (key, stream, n), so every thread draws its own without the others. The three words
    lie on the device, where a kernel moves the position on after each draw: the host takes no part, and a captured draw
    gives new numbers at each replay. `state` is plain integers and strings: it goes into JSON; to read it waits for the
    device. The numbers are not those of `NumpyStream`.
    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """

    def __init__(self, ops, seed_sequence):
        if not isinstance(seed_sequence, np.random.SeedSequence):
            seed_sequence = np.random.SeedSequence(seed_sequence)
        self._ops = ops
        key, stream = seed_sequence.generate_state(2, np.uint64)
        self._words = ops.asarray(np.array([key, stream, 0], np.uint64))

    def __getstate__(self):
        return self._ops, self.state

    def __setstate__(self, state):
        self.__init__(state[0], 0)
        self.state = state[1]

    def normal_(self, out):
        """Fill with the standard normal distribution."""
        self._ops._kernel("normal")(self._words, out)
        return self._advance(out)

    def uniform_(self, out, low=0.0, high=1.0):
        """Fill with the uniform distribution on [low, high)."""
        self._ops._kernel("uniform")(self._words, low, high, out)
        return self._advance(out)

    def dropout_mask_(self, out, p):
        """Fill with 0, with probability k / 2^32, p rounded, or 2^32 / (2^32 - k): an element's expectation is 1."""
        k = chances(p, 32)
        self._ops._kernel("dropout_mask")(self._words, k, 2**32 / (2**32 - k), out)
        return self._advance(out)

    def shuffle_(self, index):
        """Permute a vector of int64 in place, every order being equally likely: each item gets a random key, by which a
        bitonic sort orders them."""
        n = len(index)
        size = 1 << (n - 1).bit_length()  # such a sort takes a power of two
        keys, items = self._ops._scratch("keys", size, "uint64"), self._ops._scratch("items", size, "int64")
        self._ops._kernel("shuffle_keys")(self._words, index, n, keys, items, size=size)
        run = 2
        while run <= size:
            distance = run // 2
            while distance:
                self._ops._kernel("shuffle_stage")(distance, run, keys, items, size=size)
                distance //= 2
            run *= 2
        self._ops.copy_(index, items[:n])
        return self._advance(index)

    @property
    def state(self):
        key, stream, position = (int(word) for word in self._ops.to_host(self._words))
        return {"bit_generator": GENERATOR, "key": key, "stream": stream, "position": position}

    @state.setter
    def state(self, state):
        if state.get("bit_generator") != GENERATOR:
            raise DeviceError(
                f"random state: expected one of {GENERATOR}, as device 'cuda' draws, got {state.get('bit_generator')}; "
                "go on on the device where it was saved"
            )
        words = np.array([state["key"], state["stream"], state["position"]], np.uint64)
        self._ops.copy_(self._words, self._ops.asarray(words))

    def _advance(self, out):
        self._ops._kernel("advance")(out.size, self._words, size=1)
        return out

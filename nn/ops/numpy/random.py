"""Random numbers on the CPU."""

import numpy as np

from nn.errors import DeviceError

WORDS_AT_ONCE = 256  # 2 KiB
NEAR = 0.01  # how near to p, in parts of p (1 - p), whole 256ths must come


class NumpyStream:
    """A stream of random numbers, drawn into given arrays; equal seeds give equal bytes.

    SFC64 is the fastest of NumPy's bit generators. `state` is plain integers and strings: it goes into JSON.
    """

    def __init__(self, seed_sequence):
        self._generator = np.random.Generator(np.random.SFC64(seed_sequence))
        self._raw, self._kept = np.empty(0, np.uint64), np.empty(0, bool)

    def __getstate__(self):
        return self.state

    def __setstate__(self, state):
        self.__init__(0)
        self.state = state

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
        """Fill with 0, with probability k / 2^bits, p rounded, or 2^bits / (2^bits - k): an element's expectation is 1.

        A word of 64 raw bits decides for eight elements, four or two: eight are 1.7 times as fast as four.
        """
        bits, k = threshold(p)
        mask = in_memory_order(out)
        draws = self._words(-(-out.size * bits // 64)).view(f"u{bits // 8}")[: out.size].reshape(mask.shape)
        if self._kept.size < out.size:
            self._kept = np.empty(out.size, bool)
        np.copyto(mask, np.greater_equal(draws, k, out=self._kept[: out.size].reshape(mask.shape)))
        np.multiply(mask, 2**bits / (2**bits - k), out=mask)
        return out

    def _words(self, n):
        """n words of raw bits, in memory that the next call writes into.

        NumPy makes a new array for them: a small one at a time, so that a training step allocates no large one.
        """
        if self._raw.size < n:
            self._raw = np.empty(n, np.uint64)
        words = self._raw[:n]
        for i in range(0, n, WORDS_AT_ONCE):
            part = words[i : i + WORDS_AT_ONCE]
            np.copyto(part, self._generator.bit_generator.random_raw(part.size))
        return words

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


def threshold(p):
    """(bits, k) with p = k / 2^bits, nearly: 8 bits of chance for an element, or 16, if they come near enough to p, else 32."""
    bits = next((bits for bits in (8, 16) if abs(chances(p, bits) / 2**bits - p) <= NEAR * p * (1 - p)), 32)
    return bits, chances(p, bits)


def chances(p, bits):
    """The k nearest to 2^bits p; neither none nor all, so that what is possible happens and what is left can be scaled."""
    return min(max(round(2**bits * p), 1), 2**bits - 1)


def in_memory_order(x):
    """The same elements, the axes in the order of their strides: NumPy's generators fill nothing but C-contiguous arrays,
    and images lie channels-last."""
    return x if x.flags.c_contiguous else x.transpose(sorted(range(x.ndim), key=lambda axis: -x.strides[axis]))

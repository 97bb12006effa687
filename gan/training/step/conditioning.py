"""What G is given, and which output of D scores an image: with classes, that of its class."""

from __future__ import annotations

from typing import Any

from gan.latent import Latent
from gan.recipe import Recipe
from gan.uncopyable import Uncopyable
from nn.ops.base import Array


class Conditioning(Uncopyable):
    """Unconditional: G is given noise, and D's one output is the logit.

    Parameters
    ----------
    ops, dtype : of the networks
    latent : the noise
    n : images per batch
    n_logits : logits per batch: n, or fewer if D scores packs of images

    Attributes
    ----------
    inputs : G's input, (n, n_in)
    labels : its columns with the one-hot classes of the batch, (n, one_hot_size); None without
    class_onehot : the same for each logit, real then generated, (2 n_logits, outputs of D)
    """

    labels: Array | None = None

    def __init__(self, ops: Any, dtype: Any, latent: Latent, n: int, n_logits: int) -> None:
        self.latent, self.noise = latent, ops.empty((n, latent.size), dtype)
        self.inputs = self.noise
        self.class_onehot = ops.empty((2 * n_logits, 1), dtype)
        ops.fill_(self.class_onehot, 1)

    def begin_step(self) -> None:
        """Take the classes in `labels` for both real and generated images."""

    def draw_inputs(self, stream: Any) -> Array:
        """Draw noise, and return it beside the classes."""
        self.latent.draw_(self.noise, stream)
        return self.inputs

    def logits(self, outputs: Array, rows: slice) -> Array:
        """The logits, (len(outputs), 1), from D's outputs for these rows of `class_onehot`."""
        return outputs

    def backward(self, dlogits: Array, rows: slice) -> Array:
        """The gradients of D's outputs, from those of the logits of these rows."""
        return dlogits


class ClassConditioning(Conditioning):
    """G is given the class beside the noise; D has one output for each class.

    The logit of an image of class k is D_k; with several clusters per image, the sum of their D_k.
    """

    def __init__(
        self, ops: Any, dtype: Any, latent: Latent, n: int, n_logits: int, one_hot_size: int
    ) -> None:
        super().__init__(ops, dtype, latent, n, n_logits)
        self.ops, self.n_logits = ops, n_logits
        self.inputs = ops.empty((n, latent.size + one_hot_size), dtype)
        self.labels = self.inputs[:, latent.size :]
        self.class_onehot = ops.empty((2 * n_logits, one_hot_size), dtype)
        self._selected = ops.empty((2 * n_logits, one_hot_size), dtype)
        self._doutputs = ops.empty((2 * n_logits, one_hot_size), dtype)
        self._logits = ops.empty((2 * n_logits, 1), dtype)
        self._ones = ops.empty((one_hot_size, 1), dtype)
        ops.fill_(self._ones, 1)

    def begin_step(self) -> None:
        self.ops.copy_(self.class_onehot[: self.n_logits], self.labels)
        self.ops.copy_(self.class_onehot[self.n_logits :], self.labels)

    def draw_inputs(self, stream: Any) -> Array:
        super().draw_inputs(stream)
        self.ops.copy_(self.inputs[:, : self.latent.size], self.noise)
        return self.inputs

    def logits(self, outputs: Array, rows: slice) -> Array:
        onehot = self.class_onehot[rows]
        selected = self.ops.multiply(outputs, onehot, out=self._selected[rows])
        return self.ops.gemm(selected, self._ones, out=self._logits[rows])  # sum_k onehot_k D_k

    def backward(self, dlogits: Array, rows: slice) -> Array:
        # dL/dD_k = onehot_k dL/dlogit: the outputs of other classes have zero gradient
        return self.ops.multiply(self.class_onehot[rows], dlogits, out=self._doutputs[rows])


def make_conditioning(recipe: Recipe, ops: Any, dtype: Any) -> Conditioning:
    """The conditioning for a recipe's classes or clusters, or for none."""
    n = recipe.batch_size
    settings = ops, dtype, recipe.latent, n, n // recipe.pack
    if recipe.num_classes:
        return ClassConditioning(*settings, recipe.one_hot_size)
    return Conditioning(*settings)

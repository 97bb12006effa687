"""Batch normalization."""

import numpy as np

from nn.cache import Cache
from nn.errors import ShapeError
from nn.layers.base import Grads, Layer, MaybeArray
from nn.layers.images import channels_last
from nn.layers.torch_layout import TorchArray
from nn.ops.base import Array
from nn.processes.single import SINGLE, Processes
from nn.settings import Shape, integer, real


class BatchNorm(Layer):
    """y = W xhat + b with xhat = (x - mean) / sqrt(var + eps), for each feature or channel.

    x: (N, n) -> y: (N, n), with statistics over N; or x: (N, n, H, W) -> y: (N, n, H, W), with
    statistics over N, H and W. W, b: (n,).

    In training, mean and (biased) var are the batch's, and the running statistics are updated,
    running = (1 - momentum) running + momentum batch, with the unbiased variance. In evaluation,
    mean and var are the running ones.

    Where several processes train together, each normalizes its own part of the batch, unless
    `synchronize_batchnorm` was called: mean and var are then those of the whole batch.

    Parameters
    ----------
    n : int
        Features or channels.
    eps : float above 0
    momentum : float in (0, 1]

    Raises
    ------
    ShapeError
        If x has another shape, or a training batch has a single value per feature.

    References
    ----------
    Source: Ioffe & Szegedy 2015, eq. 1-4, with PyTorch's definitions of eps and momentum.
    """

    torch_layout = (
        TorchArray("W", "weight", (0,)),
        TorchArray("b", "bias", (0,)),
        TorchArray("running_mean", "running_mean", (0,)),
        TorchArray("running_var", "running_var", (0,), nonnegative=True),
    )
    torch_counters = ("num_batches_tracked",)  # with a fixed momentum nothing depends on it

    processes: Processes = SINGLE  # those whose batches are normalized together

    W: Array
    b: Array
    dW: Array
    db: Array
    running_mean: Array
    running_var: Array

    def __init__(self, n: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.n = n = integer("BatchNorm", "n", n)
        self.eps = real("BatchNorm", "eps", eps, "above 0", lambda e: e > 0)
        self.momentum = real("BatchNorm", "momentum", momentum, "in (0, 1]", lambda m: 0 < m <= 1)
        self.parameter_shapes = {"W": (n,), "b": (n,)}
        self.statistic_shapes = {"running_mean": (n,), "running_var": (n,)}

    def initialize(self, rng: np.random.Generator) -> None:
        self.ops.fill_(self.W, 1)
        self.ops.fill_(self.b, 0)
        self.ops.fill_(self.running_mean, 0)
        self.ops.fill_(self.running_var, 1)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) not in (1, 3) or shape[0] != self.n:
            raise ShapeError(
                f"{self.label}: expected samples of shape ({self.n},) or ({self.n}, H, W), "
                f"got {shape}"
            )
        return shape

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        are_images = len(getattr(x, "shape", ())) == 4
        self.check_input(x, (None, self.n, None, None) if are_images else (None, self.n))
        cache.train, cache.y_shape = train, x.shape
        y = cache.image_buffer("y", x.shape) if are_images else cache.buffer_like("y", x)
        x, y_rows = self._rows(x, cache, "x"), self._rows(y, cache, "y")
        row = (self.n,)
        cache.inv_std = cache.buffer("inv_std", row)
        cache.xhat = cache.buffer("xhat", x.shape)
        if train:
            n = len(x) * self.processes.size
            if n < 2:
                raise ShapeError(
                    f"{self.label}: expected more than one value for each feature in training, "
                    f"got {len(x)}"
                )
            mean, var = cache.buffer("mean", row), cache.buffer("var", row)
            # xhat = (x - mean) / sqrt(var + eps)
            self.ops.normalize(
                x, self.eps, out=cache.xhat, mean=mean, var=var, inv_std=cache.inv_std
            )
            if self.processes.size > 1:
                self._normalize_together(x, cache, mean, var)
            if cache.tracks_statistics:
                unbiased = n / (n - 1)
                self.ops.moving_average_(self.running_mean, mean, self.momentum)
                self.ops.moving_average_(self.running_var, var, self.momentum, scale=unbiased)
        else:
            self.ops.inverse_std(self.running_var, self.eps, out=cache.inv_std)
            self.ops.shift_scale(x, self.running_mean, cache.inv_std, out=cache.xhat)
        self.ops.scale_shift(cache.xhat, self.W, self.b, out=y_rows)  # y = W xhat + b
        return y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        are_images, row = len(dy.shape) == 4, (self.n,)
        dx = cache.image_buffer("dx", dy.shape) if are_images else cache.buffer_like("dx", dy)
        dy, dx_rows = self._rows(dy, cache, "dy"), self._rows(dx, cache, "dx")
        dW, db = cache.buffer("dW", row), cache.buffer("db", row)
        if grads != "skip" or cache.train:  # in training, dx depends on them too
            self.ops.sum_product_rows(dy, cache.xhat, out=dW)  # dL/dW = sum_n dy_n xhat_n
            self.ops.sum_rows(dy, out=db)  # dL/db = sum_n dy_n
        if grads == "write":
            self.ops.copy_(self.dW, dW)
            self.ops.copy_(self.db, db)
        elif grads == "add":
            self.ops.add_(self.dW, dW)
            self.ops.add_(self.db, db)
        if not need_dx:
            return None
        if cache.train:
            if self.processes.size > 1:  # each rank's loss is a mean over its part of the batch
                self.processes.allreduce_mean_(dW, self.ops)
                self.processes.allreduce_mean_(db, self.ops)
            # mean and var depend on x: dL/dx = W / std (dy - db / n - xhat dW / n)
            self.ops.normalize_backward(dy, cache.xhat, self.W, cache.inv_std, dW, db, out=dx_rows)
        else:
            # mean and var are constants: dL/dx = W / std dy
            scale = self.ops.multiply(self.W, cache.inv_std, out=cache.buffer("scale", row))
            self.ops.multiply(dy, scale, out=dx_rows)
        return dx

    def _normalize_together(self, x: Array, cache: Cache, mean: Array, var: Array) -> None:
        """Replace our mean and var by those of the whole batch, and normalize with them.

        mean = 1/N sum_r mean_r; var = 1/N sum_r (var_r + (mean_r - mean)^2).
        """
        offset = cache.buffer("offset", mean.shape)
        self.ops.copy_(offset, mean)
        self.processes.allreduce_mean_(mean, self.ops)
        self.ops.subtract(offset, mean, out=offset)
        self.ops.add_(var, self.ops.multiply(offset, offset, out=offset))
        self.processes.allreduce_mean_(var, self.ops)
        self.ops.inverse_std(var, self.eps, out=cache.inv_std)
        self.ops.shift_scale(x, mean, cache.inv_std, out=cache.xhat)

    def _rows(self, x: Array, cache: Cache, name: str) -> Array:
        """x as a matrix (values per feature, n): a view if x is channels-last in memory."""
        if len(x.shape) == 2:
            return x
        return cache.contiguous(name + "_rows", channels_last(x)).reshape(-1, self.n)


def synchronize_batchnorm(network: Layer, processes: Processes) -> None:
    """Let each BatchNorm of a network normalize the whole batch of all processes.

    mean, var and, in the backward pass, the sums over the batch are then averaged over the
    processes: two all-reduces of n numbers in each pass.
    """
    for _, layer in network.modules():
        if isinstance(layer, BatchNorm):
            layer.processes = processes


def settle_batchnorm(network: Layer, x: Array) -> None:
    """Set the running statistics of each BatchNorm to those of one pass over x.

    In evaluation the network then normalizes as in that pass. For weights that are an average over
    many steps: the average of the statistics of those steps is not that of these weights. Nothing
    else changes, random streams included.

    Parameters
    ----------
    network
        Built.
    x
        Its input, of many samples: (N, ...).

    Raises
    ------
    ShapeError
        If the network cannot take x.

    References
    ----------
    Source: Izmailov et al. 2018, algorithm 1. var is the biased one, as in the pass.
    """
    cache, drawn = network.cache(tracks_statistics=False), network.stream.state
    network.forward(x, cache, train=True)
    network.stream.state = drawn
    for part in cache.walk():
        if isinstance(layer := part.owner, BatchNorm):
            layer.ops.copy_(layer.running_mean, part.buffers["mean"])
            layer.ops.copy_(layer.running_var, part.buffers["var"])

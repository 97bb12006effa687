"""Batch normalisation."""

from nn.errors import ShapeError
from nn.layers.base import Layer
from nn.settings import real, whole


class BatchNorm(Layer):
    """y = W xhat + b with xhat = (x - mean) / sqrt(var + eps), for each feature or channel.

    x: (N, n) -> y: (N, n), statistics over N; or x: (N, n, H, W) -> y alike, statistics over N, H and W. W, b: (n,).
    In training, mean and (biased) var are the batch's, and the running ones follow:
    running = (1 - momentum) running + momentum batch, with the unbiased variance; in evaluation, mean and var are the
    running ones. Errors: `ShapeError` for another shape, or a training batch with a single value for each feature.
    Source: Ioffe & Szegedy 2015, eq. 1-4, with PyTorch's definitions of eps and momentum.
    """

    def __init__(self, n, *, eps=1e-5, momentum=0.1):
        super().__init__()
        self.n = n = whole("BatchNorm", "n", n)
        self.eps = real("BatchNorm", "eps", eps, "above 0", lambda eps: eps > 0)
        self.momentum = real("BatchNorm", "momentum", momentum, "in (0, 1]", lambda momentum: 0 < momentum <= 1)
        self.parameter_shapes = {"W": (n,), "b": (n,)}
        self.statistic_shapes = {"running_mean": (n,), "running_var": (n,)}

    def initialize(self, rng):
        self.ops.fill_(self.W, 1)
        self.ops.fill_(self.b, 0)
        self.ops.fill_(self.running_mean, 0)
        self.ops.fill_(self.running_var, 1)

    def output_shape(self, shape):
        if len(shape) not in (1, 3) or shape[0] != self.n:
            raise ShapeError(f"{self.label}: expected samples of shape ({self.n},) or ({self.n}, H, W), got {shape}")
        return shape

    def forward(self, x, cache, *, train=False):
        self.check_input(x, (None, self.n, None, None) if len(getattr(x, "shape", ())) == 4 else (None, self.n))
        cache.train, cache.y_shape = train, x.shape
        y = cache.like("y", x) if len(x.shape) == 2 else cache.images("y", x.shape)
        x, y_rows = self._rows(x, cache, "x"), self._rows(y, cache, "y")
        row = (self.n,)
        cache.inv_std = cache.buffer("inv_std", row)
        cache.xhat = cache.buffer("xhat", x.shape)
        if train:
            if len(x) < 2:
                raise ShapeError(f"{self.label}: expected more than one value for each feature in training, got {len(x)}")
            mean, var = cache.buffer("mean", row), cache.buffer("var", row)
            self.ops.normalize(x, self.eps, out=cache.xhat, mean=mean, var=var, inv_std=cache.inv_std)
            if cache.tracks_statistics:
                unbiased = len(x) / (len(x) - 1)
                self.ops.moving_average_(self.running_mean, mean, self.momentum)
                self.ops.moving_average_(self.running_var, var, self.momentum, scale=unbiased)
        else:
            self.ops.inverse_std(self.running_var, self.eps, out=cache.inv_std)
            self.ops.shift_scale(x, self.running_mean, cache.inv_std, out=cache.xhat)  # xhat = (x - mean) / std
        self.ops.scale_shift(cache.xhat, self.W, self.b, out=y_rows)  # y = W xhat + b
        return y

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        self.check_dy(dy, cache.y_shape)
        dx = cache.like("dx", dy) if len(dy.shape) == 2 else cache.images("dx", dy.shape)
        dy, dx_rows = self._rows(dy, cache, "dy"), self._rows(dx, cache, "dx")
        if grads != "skip" or cache.train:  # in training, dx is made of them too
            dW = self.ops.sum_product_rows(dy, cache.xhat, out=cache.buffer("dW", (self.n,)))  # dL/dW = sum_n dy_n xhat_n
            db = self.ops.sum_rows(dy, out=cache.buffer("db", (self.n,)))  # dL/db = sum_n dy_n
        if grads == "write":
            self.ops.copy_(self.dW, dW)
            self.ops.copy_(self.db, db)
        elif grads == "add":
            self.ops.add_(self.dW, dW)
            self.ops.add_(self.db, db)
        if not need_dx:
            return None
        if cache.train:  # mean and var depend on x: dL/dx = W / std (dy - db / n - xhat dW / n)
            self.ops.normalize_backward(dy, cache.xhat, self.W, cache.inv_std, dW, db, out=dx_rows)
        else:  # they are constants: dL/dx = W / std dy
            scale = self.ops.multiply(self.W, cache.inv_std, out=cache.buffer("scale", (self.n,)))
            self.ops.multiply(dy, scale, out=dx_rows)
        return dx

    def _rows(self, x, cache, name):
        """x as a matrix (values for each feature, n): a view where x lies channels-last in memory."""
        if len(x.shape) == 2:
            return x
        rows = x.transpose(0, 2, 3, 1)
        return cache.contiguous(name + "_rows", rows).reshape(-1, self.n)

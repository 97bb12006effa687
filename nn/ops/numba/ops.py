"""The CPU backend with Numba: `NumpyOps`, its long chains of passes compiled into one pass each, its products and large loops
shared between threads. What is not here is NumPy's: exponentials, random numbers but for their raw bits, small sums.

Elementwise primitives give the very bytes of `NumpyOps`; products and sums add in another order, and agree within rounding. An
array that a kernel does not take (one that is not contiguous, an integer) goes NumPy's way.
"""

import numba
import numpy as np

from nn.ops.numba import kernels
from nn.ops.numba import normalization
from nn.ops.numba import products
from nn.ops.numba.conv import NumbaConv
from nn.ops.numba.random import NumbaStream
from nn.ops.numba.threads import BLAS, POOL
from nn.ops.numpy.activations import least_slope
from nn.ops.numpy.normalization import FEW
from nn.ops.numpy.ops import NumpyOps
from nn.ops.numpy.optimizers import adam_schedule

FLOATS = (np.dtype("float32"), np.dtype("float64"))


class NumbaOps(NumbaConv, NumpyOps):
    """All primitives on NumPy arrays; what each computes stands in the docstrings of `NumpyOps` and its parts.

    Beside each kernel's name, NumPy's time over its own on 64 x 784 floats, one thread of a two-core machine.
    """

    _asked = ("cpu",)

    def __repr__(self):
        blas = f", {BLAS.name}" if BLAS else ""
        return f"{self.device} (NumPy {np.__version__}, Numba {numba.__version__}{blas}, {POOL})"

    def add_(self, y, x):
        if y.ndim == 2 and x.ndim == 1 and fits(y, rows=(x,)):
            kernels.add_row(y, x)  # 4.9x: NumPy's loop starts anew in each row
            return y
        return super().add_(y, x)

    # ---- products

    def affine(self, x, W, b, *, out):
        if b.dtype == out.dtype and b.shape == out.shape[1:]:
            return self._product(x, W, out=out, bias=b)
        return super().affine(x, W, b, out=out)

    def _product(self, a, b, *, out, add=False, bias=products.NO_BIAS):
        """out = a b + bias, or out += a b + bias."""
        if products.multiply(a, b, out, add, bias):
            return out
        super()._product(a, b, out=out, add=add)
        return np.add(out, bias, out=out) if bias.size else out

    # ---- activations

    def leaky_relu(self, x, slope, *, out):
        if vectors := flat(x, out):
            x_, y_ = vectors
            kernels.relu(x_, y_) if slope == 0 else kernels.leaky_relu(x_, slope, y_)  # 2.3x
            return out
        return super().leaky_relu(x, slope, out=out)

    def leaky_relu_backward_(self, dy, y, slope):
        if vectors := flat(dy, y):
            kernels.relu_backward(*vectors) if slope == 0 else kernels.leaky_relu_backward(*vectors, slope)  # 5.7x
            return dy
        return super().leaky_relu_backward_(dy, y, slope)

    def tanh_backward_(self, dy, y):
        if vectors := flat(dy, y):
            kernels.tanh_backward(*vectors)  # 4.7x
            return dy
        return super().tanh_backward_(dy, y)

    def sigmoid(self, x, *, out):
        if vectors := flat(x, out):
            for x_, y_ in self._blocks(*vectors):
                kernels.minus_abs(x_, y_)
                np.exp(y_, out=y_)
                kernels.sigmoid(x_, y_)
            return out
        return super().sigmoid(x, out=out)

    def sigmoid_backward_(self, dy, x):
        if vectors := flat(dy, x):
            for dy_, x_ in self._blocks(*vectors):
                kernels.sigmoid_backward(dy_, self._exp_minus_abs(x_), least_slope(x.dtype))
            return dy
        return super().sigmoid_backward_(dy, x)

    def _exp_minus_abs(self, x):
        if not x.flags.c_contiguous:
            return super()._exp_minus_abs(x)
        tail = self._scratch(x.shape, x.dtype, "tail")
        kernels.minus_abs(x.reshape(-1), tail.reshape(-1))
        return np.exp(tail, out=tail)

    # ---- losses

    def bce_with_logits(self, z, target, weight, *, dz, value):
        vectors = flat(z, dz) if isinstance(target, int | float) else None
        if not vectors:
            return super().bce_with_logits(z, target, weight, dz=dz, value=value)
        kernels.bce_with_logits(vectors[0], float(target), weight / z.size, vectors[1], value)  # 10x, for 64 logits

    def mean_sigmoid(self, z, *, out):
        vectors = flat(z)
        if not vectors:
            return super().mean_sigmoid(z, out=out)
        kernels.mean_sigmoid(*vectors, out)

    # ---- batch normalisation

    def normalize(self, x, eps, *, out, mean, var, inv_std):
        if not fits(x, out, rows=(mean, var, inv_std)):
            return super().normalize(x, eps, out=out, mean=mean, var=var, inv_std=inv_std)
        normalization.normalize(x, eps, out, mean, var, inv_std, *self._sums(x))  # 4x on 12,544 x 64
        return out

    def sum_rows(self, x, *, out, add=False):
        if len(x) <= FEW or not fits(x, rows=(out,)):
            return super().sum_rows(x, out=out, add=add)
        zeros = self._scratch(out.shape, out.dtype, "zeros")
        zeros.fill(0)
        normalization.sum_rows(x, out, add, zeros, *self._sums(x))
        return out

    def sum_product_rows(self, x, y, *, out):
        if not fits(x, y, rows=(out,)):
            return super().sum_product_rows(x, y, out=out)
        normalization.sum_product_rows(x, y, out, *self._sums(x))
        return out

    def _sums(self, x):
        """Working memory for sums over x's rows: the second array is 0."""
        shape = normalization.PARTS, x.shape[1]
        sums = self._scratch(shape, "float64", "sums")
        sums.fill(0)
        return self._scratch(shape, x.dtype, "chunks"), sums

    def normalize_backward(self, dy, xhat, W, inv_std, dW, db, *, out):
        if not fits(dy, xhat, out, rows=(W, inv_std, dW, db)):
            return super().normalize_backward(dy, xhat, W, inv_std, dW, db, out=out)
        n = len(dy)
        slope = np.divide(dW, n, out=self._scratch(dW.shape, dW.dtype, "slope"))
        shift = np.divide(db, n, out=self._scratch(db.shape, db.dtype, "shift"))
        scale = np.multiply(W, inv_std, out=self._scratch(W.shape, W.dtype, "scale"))
        for (dy_, xhat_, dx_), rows in self._wide_blocks([dy, xhat, out], scale, slope, shift):
            kernels.normalize_backward(dy_, xhat_, *rows, dx_)  # 6.9x
        return out

    def scale_shift(self, x, scale, shift, *, out):
        if not fits(x, out, rows=(scale, shift)):
            return super().scale_shift(x, scale, shift, out=out)
        for (x_, y_), rows in self._wide_blocks([x, out], scale, shift):
            kernels.scale_shift(x_, *rows, y_)  # 4.8x
        return out

    def shift_scale(self, x, shift, scale, *, out):
        if not fits(x, out, rows=(shift, scale)):
            return super().shift_scale(x, shift, scale, out=out)
        for (x_, y_), rows in self._wide_blocks([x, out], shift, scale):
            kernels.shift_scale(x_, *rows, y_)
        return out

    # ---- optimizers

    def moving_average_(self, average, value, weight, *, scale=1.0):
        if vectors := flat(average, value):
            kernels.moving_average(*vectors, weight, scale)  # 3.0x
            return average
        return super().moving_average_(average, value, weight, scale=scale)

    def sgd_step_(self, value, grad, velocity, clock, momentum, nesterov):
        if not fits(value, grad, velocity):
            return super().sgd_step_(value, grad, velocity, clock, momentum, nesterov)
        clock[0] += 1
        kernels.sgd(value, grad, velocity, float(clock[1]), momentum, nesterov)

    def rmsprop_step_(self, value, grad, square, clock, decay, eps):
        if not fits(value, grad, square):
            return super().rmsprop_step_(value, grad, square, clock, decay, eps)
        clock[0] += 1
        kernels.rmsprop(value, grad, square, float(clock[1]), decay, 1 - decay, eps)

    def adam_step_(self, value, grad, m, v, clock, beta1, beta2, eps, weight_decay):
        if not fits(value, grad, m, v):
            return super().adam_step_(value, grad, m, v, clock, beta1, beta2, eps, weight_decay)
        keep, rate, eps_t = adam_schedule(clock, beta1, beta2, eps, weight_decay)
        kernels.adam(value, grad, m, v, keep, rate, beta1, beta2, 1 - beta2, eps_t)  # 4.9x: eleven passes in one

    # ---- images

    def gather_rows(self, bytes_, index, scale, shift, *, out):
        rows = bytes_.reshape(len(bytes_), -1)  # a view: `ops.asarray` made them contiguous
        if out.flags.c_contiguous and bytes_.flags.c_contiguous and index.flags.c_contiguous:
            kernels.gather_rows(rows, index, scale, shift, out.reshape(len(index), -1))
            return out
        return super().gather_rows(bytes_, index, scale, shift, out=out)

    def stream(self, seed_sequence):
        return NumbaStream(seed_sequence)


def fits(first, *more, rows=()):
    """Whether all are contiguous and of one float dtype, the arrays of one shape and each row as long as theirs.

    The kernels check nothing, and NumPy, which gets the arrays if not, says what is wrong with them.
    """
    dtype, shape = first.dtype, first.shape
    if not (dtype in FLOATS and first.flags.c_contiguous):
        return False
    for x in more:
        if not (x.shape == shape and x.dtype == dtype and x.flags.c_contiguous):
            return False
    for row in rows:
        if not (row.shape == shape[1:] and row.dtype == dtype and row.flags.c_contiguous):
            return False
    return True


def flat(*arrays):
    """The arrays as vectors over their memory; None unless all are of one shape and lie in one order, the same for all."""
    if arrays[0].ndim == 4 and not arrays[0].flags.c_contiguous:
        arrays = [x.transpose(0, 2, 3, 1) for x in arrays]  # channels-last
    return [x.reshape(-1) for x in arrays] if fits(*arrays) else None

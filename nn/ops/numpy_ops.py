"""The CPU backend, and the reference that every other backend is tested against.

Each primitive writes into an array that it is given (`out=`, or a name that ends in `_`) and allocates nothing after its
first call: what it needs between two passes lies in a scratch buffer that is valid only inside that primitive. Long
elementwise chains are walked in blocks, so that the second pass over a block finds it in the cache.
"""

import numpy as np

from nn.ops.numpy_stream import NumpyStream

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register
BLOCK = 32_768  # elements: 128 KiB of float32, an eighth of a usual second-level cache


class NumpyOps:
    device = "cpu"

    def __init__(self):
        self._scratch_bytes = {}
        self._ones = {}

    def __repr__(self):
        return f"{self.device} (NumPy {np.__version__})"

    # ---- arrays -------------------------------------------------------------------------------------------------

    def empty(self, shape, dtype):
        """An uninitialised array that begins at a multiple of 64 bytes."""
        dtype = np.dtype(dtype)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        n_bytes = int(np.prod(shape)) * dtype.itemsize
        raw = np.empty(n_bytes + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        return raw[start : start + n_bytes].view(dtype).reshape(shape)

    def zeros(self, shape, dtype):
        x = self.empty(shape, dtype)
        x.fill(0)
        return x

    def is_array(self, x):
        """Whether x lives on this backend's device."""
        return isinstance(x, np.ndarray)

    def asarray(self, host, dtype=None):
        """A copy of a NumPy array on this backend's device."""
        host = np.asarray(host, dtype)
        x = self.empty(host.shape, host.dtype)
        x[...] = host
        return x

    def to_host(self, x):
        """A copy of x as a NumPy array; on a GPU this waits for it."""
        return np.array(x)

    def copy_(self, y, x):
        np.copyto(y, x)

    def fill_(self, x, value):
        x.fill(value)

    def add_(self, y, x):
        """y += x, where x may be a row that is added to every row of y."""
        return np.add(y, x, out=y)

    def all_finite(self, x):
        """Whether no element is infinite or NaN, as a Python bool: a host read, for the edges of training only."""
        return bool(np.isfinite(x).all())

    # ---- products and sums --------------------------------------------------------------------------------------

    def gemm(self, a, b, *, out, trans_a=False, trans_b=False, add=False):
        """out = a b, or out += a b; a and b are matrices, each transposed first if asked."""
        a = a.T if trans_a else a
        b = b.T if trans_b else b
        if not add:
            return np.matmul(a, b, out=out)
        product = np.matmul(a, b, out=self._scratch(out.shape, out.dtype))
        return np.add(out, product, out=out)

    def sum_rows(self, x, *, out, add=False):
        """out[j] = sum_i x[i, j], or += : a product with a row of ones, which BLAS does fastest."""
        ones = self._ones_like_rows(x)
        if not add:
            return np.matmul(ones, x, out=out)
        total = np.matmul(ones, x, out=self._scratch(out.shape, out.dtype))
        return np.add(out, total, out=out)

    # ---- activations --------------------------------------------------------------------------------------------

    def leaky_relu(self, x, slope, *, out):
        """out = max(x, slope x), with 0 <= slope < 1."""
        if slope == 0:
            return np.maximum(x, 0, out=out)
        for x_, y_ in self._blocks(x, out):
            np.multiply(x_, slope, out=y_)
            np.maximum(x_, y_, out=y_)
        return out

    def leaky_relu_backward_(self, dy, y, slope):
        """dy *= 1 where y > 0, slope elsewhere; y has the sign of x."""
        for dy_, y_ in self._blocks(dy, y):
            positive = np.greater(y_, 0, out=self._scratch(y_.shape, bool))
            if slope == 0:
                np.multiply(dy_, positive, out=dy_)
            else:
                factor = np.maximum(positive, slope, out=self._scratch(y_.shape, y_.dtype, "factor"), dtype=y_.dtype)
                np.multiply(dy_, factor, out=dy_)
        return dy

    def sigmoid(self, x, *, out):
        """out = 1 / (1 + exp(-x)), by exp(-|x|), which never overflows."""
        for x_, y_ in self._blocks(x, out):
            tail = self._exp_minus_abs(x_)
            np.add(tail, 1, out=y_)
            np.copyto(tail, 1, where=np.greater_equal(x_, 0, out=self._scratch(x_.shape, bool)))
            np.divide(tail, y_, out=y_)
        return out

    def sigmoid_backward_(self, dy, y):
        """dy *= y (1 - y)."""
        for dy_, y_ in self._blocks(dy, y):
            np.multiply(dy_, y_, out=dy_)
            np.multiply(dy_, np.subtract(1, y_, out=self._scratch(y_.shape, y_.dtype)), out=dy_)
        return dy

    def tanh(self, x, *, out):
        return np.tanh(x, out=out)

    def tanh_backward_(self, dy, y):
        """dy *= 1 - y^2."""
        for dy_, y_ in self._blocks(dy, y):
            square = np.multiply(y_, y_, out=self._scratch(y_.shape, y_.dtype))
            np.multiply(dy_, np.subtract(1, square, out=square), out=dy_)
        return dy

    def multiply(self, x, y, *, out):
        return np.multiply(x, y, out=out)

    # ---- batch normalisation, on rows (n, features) -------------------------------------------------------------

    def normalize(self, x, eps, *, out, mean, var, inv_std):
        """mean and (biased) var of each column, inv_std = 1 / sqrt(var + eps), out = (x - mean) inv_std."""
        ones = self._ones_like_rows(x)
        np.divide(np.matmul(ones, x, out=mean), len(x), out=mean)
        np.subtract(x, mean, out=out)
        square = np.multiply(out, out, out=self._scratch(x.shape, x.dtype))
        np.divide(np.matmul(ones, square, out=var), len(x), out=var)
        self.inverse_std(var, eps, out=inv_std)
        return np.multiply(out, inv_std, out=out)

    def normalize_backward(self, dy, xhat, W, inv_std, dW, db, *, out):
        """out = W inv_std (dy - db / n - xhat dW / n), given dW = sum_n dy xhat and db = sum_n dy."""
        n = len(dy)
        slope = np.divide(dW, n, out=self._scratch(dW.shape, dW.dtype, "slope"))
        shift = np.divide(db, n, out=self._scratch(db.shape, db.dtype, "shift"))
        scale = np.multiply(W, inv_std, out=self._scratch(W.shape, W.dtype, "scale"))
        for dy_, xhat_, dx_ in self._blocks(dy, xhat, out):
            part = np.multiply(xhat_, slope, out=self._scratch(dx_.shape, dx_.dtype))
            np.subtract(dy_, np.add(part, shift, out=part), out=dx_)
            np.multiply(dx_, scale, out=dx_)
        return out

    def scale_shift(self, x, scale, shift, *, out):
        """out = x scale + shift, a row each."""
        for x_, y_ in self._blocks(x, out):
            np.multiply(x_, scale, out=y_)
            np.add(y_, shift, out=y_)
        return out

    def shift_scale(self, x, shift, scale, *, out):
        """out = (x - shift) scale, a row each."""
        for x_, y_ in self._blocks(x, out):
            np.subtract(x_, shift, out=y_)
            np.multiply(y_, scale, out=y_)
        return out

    def inverse_std(self, var, eps, *, out):
        """out = 1 / sqrt(var + eps)."""
        np.sqrt(np.add(var, eps, out=out), out=out)
        return np.divide(1, out, out=out)

    def sum_product_rows(self, x, y, *, out):
        """out[j] = sum_i x[i, j] y[i, j]."""
        product = np.multiply(x, y, out=self._scratch(x.shape, x.dtype))
        return np.matmul(self._ones_like_rows(x), product, out=out)

    def moving_average_(self, average, value, weight, *, scale=1.0):
        """average += weight (scale value - average)."""
        for average_, value_ in self._blocks(average, value):
            step = np.multiply(value_, scale, out=self._scratch(average_.shape, average_.dtype))
            np.multiply(np.subtract(step, average_, out=step), weight, out=step)
            np.add(average_, step, out=average_)
        return average

    # ---- losses -------------------------------------------------------------------------------------------------

    def bce_with_logits(self, z, target, weight, *, dz, value):
        """value = (weight / n) sum(max(z, 0) - z t + log(1 + exp(-|z|))), dz = (weight / n) (sigmoid(z) - t).

        With s = sigmoid(-|z|), sigmoid(z) - t is (1 - t) - s for positive z and (0 - t) + s for negative: both exact,
        where 1 - s would round to 1.
        """
        scale = weight / z.size
        tail = self._exp_minus_abs(z)
        part = self._scratch(z.shape, z.dtype, "part")
        np.logical_not(np.signbit(z, out=self._scratch(z.shape, bool)), out=dz, casting="unsafe")
        np.subtract(dz, target, out=dz)
        s = np.divide(tail, np.add(tail, 1, out=part), out=part)
        np.multiply(np.subtract(dz, np.copysign(s, z, out=part), out=dz), scale, out=dz)
        each = np.maximum(z, 0, out=self._scratch(z.shape, z.dtype, "each"))
        np.subtract(each, np.multiply(z, target, out=part), out=each)
        np.add(each, np.log1p(tail, out=tail), out=each)
        np.multiply(np.sum(each.reshape(-1), keepdims=True, out=value), scale, out=value)

    def bce(self, p, target, weight, *, dp, value):
        """value = -(weight / n) sum(t log p + (1 - t) log(1 - p)), dp = (weight / n) (p - t) / (p (1 - p)).

        p is first moved into [tiny, 1 - eps / 2], the open interval as its dtype can hold it.
        """
        scale = weight / p.size
        limits = np.finfo(p.dtype)
        p = np.clip(p, limits.tiny, 1 - limits.epsneg, out=self._scratch(p.shape, p.dtype, "p"))
        q = np.subtract(1, p, out=self._scratch(p.shape, p.dtype, "q"))
        np.divide(np.subtract(p, target, out=dp), p, out=dp)
        np.multiply(np.divide(dp, q, out=dp), scale, out=dp)
        np.log(p, out=p)
        np.log(q, out=q)
        np.multiply(np.subtract(p, q, out=p), target, out=p)
        each = np.add(p, q, out=p)  # log q + t (log p - log q)
        np.multiply(np.sum(each.reshape(-1), keepdims=True, out=value), -scale, out=value)

    def mean_sigmoid(self, z, *, out):
        """out[0] = the mean of sigmoid(z)."""
        p = self.sigmoid(z, out=self._scratch(z.shape, z.dtype, "p"))
        np.mean(p.reshape(-1), keepdims=True, out=out)

    # ---- optimizers, on flat buffers; clock = (steps taken, learning rate) --------------------------------------

    def sgd_step_(self, value, grad, velocity, clock, momentum, nesterov):
        """velocity = momentum velocity + grad; value -= lr velocity, or lr (grad + momentum velocity) if Nesterov's."""
        clock[0] += 1
        rate = float(clock[1])
        for value_, grad_, velocity_ in self._blocks(value, grad, velocity):
            step = self._scratch(value_.shape, value_.dtype)
            np.add(np.multiply(velocity_, momentum, out=velocity_), grad_, out=velocity_)
            if nesterov:
                np.multiply(np.add(grad_, np.multiply(velocity_, momentum, out=step), out=step), rate, out=step)
            else:
                np.multiply(velocity_, rate, out=step)
            np.subtract(value_, step, out=value_)

    def rmsprop_step_(self, value, grad, square, clock, decay, eps):
        """square = decay square + (1 - decay) grad^2; value -= lr grad / (sqrt(square) + eps)."""
        clock[0] += 1
        rate = float(clock[1])
        for value_, grad_, square_ in self._blocks(value, grad, square):
            step = np.multiply(grad_, grad_, out=self._scratch(value_.shape, value_.dtype))
            np.multiply(step, 1 - decay, out=step)
            np.add(np.multiply(square_, decay, out=square_), step, out=square_)
            np.add(np.sqrt(square_, out=step), eps, out=step)
            np.multiply(np.divide(grad_, step, out=step), rate, out=step)
            np.subtract(value_, step, out=value_)

    def adam_step_(self, value, grad, m, v, clock, beta1, beta2, eps, weight_decay):
        """One step of Adam, with decoupled weight decay.

        m and v are kept without their factors (1 - beta): m = beta1 m + g and v = beta2 v + g^2 save three of thirteen
        passes, and those factors and the bias corrections 1 / (1 - beta^t) fold into two scalars:
        value -= rate m / (sqrt(v) + eps_t).
        """
        clock[0] += 1
        t, learning_rate = float(clock[0]), float(clock[1])
        root = ((1 - beta2) / (1 - beta2**t)) ** 0.5  # sqrt(v_hat) = root sqrt(v)
        rate = learning_rate * (1 - beta1) / (1 - beta1**t) / root
        eps_t = eps / root
        for value_, grad_, m_, v_ in self._blocks(value, grad, m, v):
            step = self._scratch(value_.shape, value_.dtype)
            if weight_decay:
                np.multiply(value_, 1 - learning_rate * weight_decay, out=value_)
            np.add(np.multiply(m_, beta1, out=m_), grad_, out=m_)
            np.add(np.multiply(v_, beta2, out=v_), np.multiply(grad_, grad_, out=step), out=v_)
            np.add(np.sqrt(v_, out=step), eps_t, out=step)
            np.multiply(np.divide(m_, step, out=step), rate, out=step)
            np.subtract(value_, step, out=value_)

    # ---- data and randomness ------------------------------------------------------------------------------------

    def gather_rows(self, bytes_, index, scale, shift, *, out):
        """out[i] = scale bytes_[index[i]] + shift: a batch of uint8 images as floats, converted once."""
        rows = self._scratch((len(index), *bytes_.shape[1:]), np.uint8)
        np.take(bytes_, index, axis=0, out=rows, mode="clip")
        np.multiply(rows.reshape(out.shape), out.dtype.type(scale), out=out, dtype=out.dtype)
        return np.add(out, shift, out=out)

    def stream(self, seed_sequence):
        """An independent stream of random numbers on this device."""
        return NumpyStream(seed_sequence)

    # ---- working memory -----------------------------------------------------------------------------------------

    def _scratch(self, shape, dtype, name=""):
        """A buffer for use inside one primitive; `name` tells apart those that are alive together."""
        dtype = np.dtype(dtype)
        key = (name, shape, dtype)
        held = self._scratch_bytes.get(key)
        if held is None:
            held = self._scratch_bytes[key] = self.empty(shape, dtype)
        return held

    def _ones_like_rows(self, x):
        key = (len(x), x.dtype)
        if key not in self._ones:
            self._ones[key] = np.ones(len(x), x.dtype)
        return self._ones[key]

    def _exp_minus_abs(self, x):
        tail = np.abs(x, out=self._scratch(x.shape, x.dtype, "tail"))
        return np.exp(np.negative(tail, out=tail), out=tail)

    def _blocks(self, *arrays):
        """Matching pieces of the arrays, cut along the first axis, each small enough to stay in the cache."""
        first = arrays[0]
        if first.size <= BLOCK:
            return (arrays,)
        rows = max(1, BLOCK * len(first) // first.size)
        return [tuple(x[i : i + rows] for x in arrays) for i in range(0, len(first), rows)]

"""The CUDA backend: the same primitives on CuPy arrays. The one file that imports CuPy.

A chain of elementwise steps, and a sum with what belongs to it, is one kernel; each is compiled at its first use and once
for the process. Inside a primitive nothing is read back and nothing allocated after the first call, so a step neither
waits for the device nor hands memory back: learning rate, step count and random counters are read where they lie.
"""

import functools

import cupy
import numpy as np
from cupy import cublas

from nn.errors import DeviceError, DtypeError, ShapeError
from nn.ops.base import Ops
from nn.ops.cuda_augmentation import CudaAugmentation
from nn.ops.cuda_conv import CudaConv
from nn.ops.cuda_elementwise import ELEMENTWISE, PHILOX
from nn.ops.cuda_errors import cannot_use, out_of_memory
from nn.ops.cuda_pooling import CudaPooling
from nn.ops.cuda_reductions import DEPTH, REDUCTIONS, SOURCE, THREADS, TYPES, WIDTH
from nn.ops.cuda_stream import CudaStream

FLOAT32_MATH, TF32_MATH = 0, 3  # cuBLAS's CUBLAS_DEFAULT_MATH and CUBLAS_TF32_TENSOR_OP_MATH, which CuPy does not name


@functools.cache
def elementwise(name):
    """The compiled form of an elementwise kernel: call it with its inputs, then its outputs."""
    inputs, outputs, body = ELEMENTWISE[name]
    return cupy.ElementwiseKernel(inputs, outputs, body, f"byhand_{name}", preamble=PHILOX if "philox" in body else "")


@functools.cache
def reductions():
    """The compiled module of the kernels that sum."""
    names = [f"{name}<{T}>" for name in REDUCTIONS for T in TYPES]
    return cupy.RawModule(code=SOURCE, options=("-std=c++17",), name_expressions=names)


@functools.cache
def reduction(name, dtype):
    return reductions().get_function(f"{name}<{'float' if dtype == np.float32 else 'double'}>")


def cuda_versions():
    """(the CUDA version that the driver is for, the one that CuPy is built for), None where it cannot be had."""
    try:
        return cupy.cuda.runtime.driverGetVersion(), cupy.cuda.runtime.runtimeGetVersion()
    except RuntimeError:
        return None, None


class CupyOps(CudaConv, CudaPooling, CudaAugmentation, Ops):
    """All primitives on CuPy arrays; what each computes stands in the docstrings of `NumpyOps`.

    tf32: round the factors of float32 products to 10 bits behind the point, as tensor cores take them; sums stay float32.
    Errors: `DeviceError` without a driver, a device, or the CUDA libraries that CuPy compiles with, and where any of them does
    not fit the others; for tf32 on a GPU that has none; `DeviceMemoryError` where memory runs out.
    """

    device = "cuda"
    _kernel = staticmethod(elementwise)

    def __init__(self, tf32=False):
        self.tf32 = tf32
        self._scratch_buffers = {}
        try:
            if cupy.cuda.runtime.getDeviceCount() == 0:
                raise RuntimeError("CUDA finds no device")
            one = self.asarray([[1.0]], "float32")
            self.all_finite(self.gemm(one, one, out=self.empty((1, 1), "float32")))  # compiles, multiplies, reads back
        except Exception as problem:  # CuPy's own types of error differ with what is missing
            raise cannot_use(problem, *cuda_versions()) from problem
        capability = cupy.cuda.Device().compute_capability
        if tf32 and int(capability) < 80:
            raise DeviceError(
                f"TF32: expected a GPU of compute capability 8.0 or more, this one has {capability[:-1]}.{capability[-1]}; "
                "leave it out: products are then float32"
            )

    def __repr__(self):
        card = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())["name"]
        return f"{self.device} ({card.decode()}, CuPy {cupy.__version__}, {'TF32' if self.tf32 else 'float32'} products)"

    # ---- arrays -------------------------------------------------------------------------------------------------

    def empty(self, shape, dtype):
        return self._new(cupy.empty, shape, dtype)  # CuPy begins every array at a multiple of 512 bytes

    def zeros(self, shape, dtype):
        return self._new(cupy.zeros, shape, dtype)

    def is_array(self, x):
        return isinstance(x, cupy.ndarray)

    def asarray(self, host, dtype=None):
        return self._new(cupy.array, np.asarray(host, dtype))

    def to_host(self, x):
        return cupy.asnumpy(x)

    def copy_(self, y, x):
        cupy.copyto(y, x)

    def fill_(self, x, value):
        x.fill(value)

    def add_(self, y, x):
        self._kernel("add")(x, y)
        return y

    def all_finite(self, x):
        found = self._scratch("found", 1, "int64")
        found.fill(0)
        self._kernel("find_non_finite")(x, found)
        return not self.to_host(found)[0]

    def gemm(self, a, b, *, out, trans_a=False, trans_b=False, add=False):
        cupy.cuda.cublas.setMathMode(cupy.cuda.device.get_cublas_handle(), TF32_MATH if self.tf32 else FLOAT32_MATH)
        return cublas.gemm("T" if trans_a else "N", "T" if trans_b else "N", a, b, out=out, beta=1.0 if add else 0.0)

    def sum_rows(self, x, *, out, add=False):
        self._sum_columns("sum_rows", (x, out), x.shape, int(add))
        return out

    def normalize_vector_(self, x, tiny):
        self._launch("normalize_vector", (1,), (THREADS,), (x,), x.size, float(tiny))
        return x

    # ---- activations --------------------------------------------------------------------------------------------

    def leaky_relu(self, x, slope, *, out):
        self._kernel("leaky_relu")(x, slope, out)
        return out

    def leaky_relu_backward_(self, dy, y, slope):
        self._kernel("leaky_relu_backward")(y, slope, dy)
        return dy

    def sigmoid(self, x, *, out):
        self._kernel("sigmoid")(x, out)
        return out

    def sigmoid_backward_(self, dy, x):
        self._kernel("sigmoid_backward")(x, float(np.finfo(x.dtype).tiny), dy)
        return dy

    def divide_by_sigmoid_slope_(self, dy, x):
        self._kernel("divide_by_sigmoid_slope")(x, float(np.finfo(x.dtype).tiny), dy)
        return dy

    def tanh(self, x, *, out):
        self._kernel("tanh_forward")(x, out)
        return out

    def tanh_backward_(self, dy, y):
        self._kernel("tanh_backward")(y, dy)
        return dy

    def multiply(self, x, y, *, out):
        self._kernel("multiply")(x, y, out)
        return out

    def divide(self, x, y, *, out):
        self._kernel("divide")(x, y, out)
        return out

    def subtract(self, x, y, *, out):
        self._kernel("subtract")(x, y, out)
        return out

    # ---- batch normalisation ------------------------------------------------------------------------------------

    def normalize(self, x, eps, *, out, mean, var, inv_std):
        self._sum_columns("normalize", (x, out, mean, var, inv_std), x.shape, float(eps))
        return out

    def normalize_backward(self, dy, xhat, W, inv_std, dW, db, *, out):
        self._kernel("normalize_backward")(dy, xhat, W, inv_std, dW, db, len(dy), out)
        return out

    def scale_shift(self, x, scale, shift, *, out):
        self._kernel("scale_shift")(x, scale, shift, out)
        return out

    def shift_scale(self, x, shift, scale, *, out):
        self._kernel("shift_scale")(x, shift, scale, out)
        return out

    def inverse_std(self, var, eps, *, out):
        self._kernel("inverse_std")(var, eps, out)
        return out

    def sum_product_rows(self, x, y, *, out):
        self._sum_columns("sum_product_rows", (x, y, out), x.shape)
        return out

    def moving_average_(self, average, value, weight, *, scale=1.0):
        self._kernel("moving_average")(value, weight, scale, average)
        return average

    # ---- losses -------------------------------------------------------------------------------------------------

    def bce_with_logits(self, z, target, weight, *, dz, value):
        self._loss("bce_with_logits", z, target, weight, dz, value)

    def bce(self, p, target, weight, *, dp, value):
        limits = np.finfo(p.dtype)
        self._loss("bce", p, target, weight, dp, value, float(limits.tiny), float(1 - limits.epsneg))

    def squared_error(self, y, target, weight, *, dy, value):
        self._loss("squared_error", y, target, weight, dy, value)

    def hinge(self, y, target, weight, *, dy, value):
        self._loss("hinge", y, target, weight, dy, value)

    def mean(self, y, weight, *, dy, value):
        self._launch("mean", (1,), (THREADS,), (y, dy, value), y.size, float(weight))

    def norm_penalty(self, g, target, weight, *, dg, value):
        n, tiny = len(g), float(np.finfo(g.dtype).tiny)
        each, unread = self._scratch(f"each {g.dtype}", n, g.dtype), self._scratch(f"unread {g.dtype}", n, g.dtype)
        self._launch("norm_penalty", (n,), (THREADS,), (g, dg, each), g.size // n, float(target), weight / n, tiny)
        self.mean(each, weight / 2, dy=unread, value=value)

    def softmax_cross_entropy(self, z, target, weight, *, dz, value):
        n, n_classes = z.shape
        classes = self._scratch("classes", n, "int64")
        self.copy_(classes, target)  # any integers
        self._launch("softmax_cross_entropy", (1,), (THREADS,), (z, dz, value), classes, n, n_classes, float(weight))

    def mean_sigmoid(self, z, *, out):
        self._launch("mean_sigmoid", (1,), (THREADS,), (z, out), z.size)

    # ---- optimizers ---------------------------------------------------------------------------------------------

    def sgd_step_(self, value, grad, velocity, clock, momentum, nesterov):
        self._kernel("tick")(clock, size=1)
        self._kernel("sgd")(grad, clock, momentum, nesterov, value, velocity)

    def rmsprop_step_(self, value, grad, square, clock, decay, eps):
        self._kernel("tick")(clock, size=1)
        self._kernel("rmsprop")(grad, clock, decay, 1 - decay, eps, value, square)

    def adam_step_(self, value, grad, m, v, clock, beta1, beta2, eps, weight_decay):
        schedule = self._scratch("schedule", 3, "float64")
        self._kernel("adam_schedule")(beta1, beta2, eps, weight_decay, clock, schedule, size=1)
        self._kernel("adam")(grad, schedule, beta1, beta2, value, m, v)

    # ---- data and random numbers --------------------------------------------------------------------------------

    def gather_rows(self, bytes_, index, scale, shift, *, out):
        row_size = out.size // len(index)
        self._kernel("gather_rows")(bytes_, index, len(bytes_), row_size, scale, shift, out)
        return out

    def stream(self, seed_sequence):
        return CudaStream(self, seed_sequence)

    # ---- working memory and launches ----------------------------------------------------------------------------

    def _new(self, make, *what):
        try:
            return make(*what)
        except cupy.cuda.memory.OutOfMemoryError as problem:
            asked = problem._size
        error = out_of_memory(asked, *cupy.cuda.runtime.memGetInfo())
        self._scratch_buffers.clear()
        raise error  # outside the block above: CuPy's own error would keep the caller's arrays alive

    def _scratch(self, name, size, dtype):
        """A vector for use inside one primitive: the same memory each time, as long as it does not grow."""
        held = self._scratch_buffers.get(name)
        if held is None or held.size < size:
            held = self._scratch_buffers[name] = self.empty((size,), dtype)
        return held[:size]

    def _loss(self, name, y, target, weight, dy, value, *limits):
        each = self.is_array(target)
        arrays = (y, target if each else y)  # a number comes apart from the arrays; y stands in their place, unread
        number = 0.0 if each else float(target)
        self._launch(name, (1,), (THREADS,), (*arrays, dy, value), int(each), number, y.size, float(weight), *limits)

    def _sum_columns(self, name, arrays, shape, *numbers):
        rows, columns = shape
        self._launch(name, (-(-columns // WIDTH),), (WIDTH, DEPTH), arrays, rows, columns, *numbers)

    def _launch(self, name, grid, block, arrays, *numbers):
        """Start a kernel of raw pointers, having checked what it cannot: one dtype, and C order."""
        for x in arrays:
            if x.dtype != arrays[0].dtype:
                raise DtypeError(f"{name}: expected arrays of {arrays[0].dtype}, got {x.dtype}")
            if not x.flags.c_contiguous:
                raise ShapeError(f"{name}: expected arrays in C order, got one of shape {x.shape} and strides {x.strides}")
        reduction(name, arrays[0].dtype)(grid, block, (*arrays, *numbers))

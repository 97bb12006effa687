"""The kernels that sum, as one module of CUDA C++ templates.

Arrays are C-contiguous and of one dtype, and come first; counts and flags are `long long` and
numbers `double`, which is how CuPy passes Python's int and float.
"""

from nn.ops.cuda.sources import source

# threads of a block that sums columns: a warp side by side, and the rows shared out
WIDTH, DEPTH = 32, 16
THREADS = 256  # of a block that sums everything

CONSTANTS = f"constexpr int WIDTH = {WIDTH}, DEPTH = {DEPTH}, THREADS = {THREADS};\n"
SOURCE = "\n".join([CONSTANTS, source("sums"), source("normalization"), source("losses")])
REDUCTIONS = (
    "sum_rows",
    "sum_product_rows",
    "normalize",
    "normalize_vector",
    "bce_with_logits",
    "bce",
    "squared_error",
    "hinge",
    "mean",
    "norm_penalty",
    "softmax_cross_entropy",
    "mean_sigmoid",
)
TYPES = ("float", "double")

"""The kernels that sum, as one module of CUDA C++ templates.

Their arrays come first, C-contiguous and of one dtype. Counts and flags are `long long`, numbers
are `double`: this is how CuPy passes Python's int and float.
"""

from nn.ops.cuda.sources import source

WIDTH, DEPTH = 32, 16  # threads of a block that sums columns: a warp of columns, rows shared out
THREADS = 256  # of a block that sums all elements

CONSTANTS = f"constexpr int WIDTH = {WIDTH}, DEPTH = {DEPTH}, THREADS = {THREADS};\n"
SOURCE = "\n".join(
    [CONSTANTS, source("sums"), source("normalization"), source("losses"), source("clipping")]
)
REDUCTIONS = (
    "sum_rows",
    "sum_product_rows",
    "normalize",
    "normalize_vector",
    "bce_with_logits",
    "bce",
    "squared_error",
    "absolute_error",
    "hinge",
    "mean",
    "norm_penalty",
    "softmax_cross_entropy",
    "mean_sigmoid",
    "sum_of_squares",
    "norm_factor",
    "softmax",
)
TYPES = ("float", "double")

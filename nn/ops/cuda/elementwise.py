"""The elementwise CUDA kernels, as data: nothing here imports CuPy, so a machine without a GPU can check every one.

{name: (inputs, outputs, body)}, in the language of CuPy's `ElementwiseKernel`. The body runs once for each element; T is
float or double; inputs broadcast, so a number or a row may stand beside a matrix; an output may be read before it is
written; a `raw` array is indexed by hand, and `i` is the index of the element in C order.
"""

from nn.ops.cuda.augmentation import AUGMENTATION
from nn.ops.cuda.pooling import POOLING

SIGMOID_SLOPE = "T e = exp(-fabs(x)), slope = e / ((1 + e) * (1 + e)); slope = slope < least ? least : slope;"  # a NaN stays

ELEMENTWISE = {
    # ---- activations
    "leaky_relu": ("T x, T slope", "T y", "y = x > 0 ? x : slope == 0 && x <= 0 ? T(0) : slope * x"),  # not 0 * -inf
    "leaky_relu_backward": ("T y, T slope", "T dy", "dy = y > 0 ? dy : slope == 0 ? T(0) : slope * dy"),
    "sigmoid": ("T x", "T y", "T tail = exp(-fabs(x)); y = (x >= 0 ? T(1) : tail) / (1 + tail)"),
    "sigmoid_backward": ("T x, T least", "T dy", SIGMOID_SLOPE + "dy *= slope"),
    "divide_by_sigmoid_slope": ("T x, T least", "T dy", SIGMOID_SLOPE + "dy /= slope"),
    "tanh_forward": ("T x", "T y", "y = tanh(x)"),
    "tanh_backward": ("T y", "T dy", "dy *= 1 - y * y"),
    "multiply": ("T a, T b", "T y", "y = a * b"),
    "divide": ("T a, T b", "T y", "y = a / b"),
    "subtract": ("T a, T b", "T y", "y = a - b"),
    "add": ("T x", "T y", "y += x"),
    # ---- batch normalisation
    "normalize_backward": (
        "T dy, T xhat, T W, T inv_std, T dW, T db, T n",
        "T dx",
        "dx = W * inv_std * (dy - (xhat * (dW / n) + db / n))",
    ),
    "scale_shift": ("T x, T scale, T shift", "T y", "y = x * scale + shift"),
    "shift_scale": ("T x, T shift, T scale", "T y", "y = (x - shift) * scale"),
    "inverse_std": ("T var, T eps", "T y", "y = 1 / sqrt(var + eps)"),
    "moving_average": ("T value, T weight, T scale", "T average", "average += weight * (scale * value - average)"),
    # ---- convolution, in the notation of numpy_conv.py
    # columns[row, column] = x[n, p sh + a - ph, q sw + b - pw, c], row = (n P + p) Q + q, column = (a kw + b) C + c
    "im2col": (
        "raw T x, int64 H, int64 W, int64 C, int64 P, int64 Q, int64 kw, int64 width,"
        "int64 sh, int64 sw, int64 ph, int64 pw",
        "T columns",
        "long long row = i / width, column = i % width;"
        "long long h = row / Q % P * sh + column / C / kw - ph, w = row % Q * sw + column / C % kw - pw;"
        "bool inside = 0 <= h && h < H && 0 <= w && w < W;"
        "columns = inside ? x[((row / Q / P * H + h) * W + w) * C + column % C] : T(0)",
    ),
    # pixel[n, h, w, c] = shift[c] + the sum of columns over all p sh + a - ph = h, q sw + b - pw = w: each pixel gathers
    # its own windows, in one order, instead of each window adding to its pixels
    "col2im": (
        "raw T columns, T shift, int64 H, int64 W, int64 C, int64 P, int64 Q, int64 kh, int64 kw,"
        "int64 sh, int64 sw, int64 ph, int64 pw",
        "T pixel",
        "long long c = i % C, w = i / C % W + pw, h = i / C / W % H + ph, n = i / C / W / H;"
        "T sum = shift;"
        "for (long long a = h % sh; a < kh && a <= h; a += sh) if ((h - a) / sh < P)"
        "  for (long long b = w % sw; b < kw && b <= w; b += sw) if ((w - b) / sw < Q)"
        "    sum += columns[(((n * P + (h - a) / sh) * Q + (w - b) / sw) * kh * kw + a * kw + b) * C + c];"
        "pixel = sum",
    ),
    # ---- optimizers; clock = (steps taken, learning rate) is read here, on the device, never by the host
    "tick": ("", "raw float64 clock", "clock[0] += 1"),
    "sgd": (
        "T grad, raw float64 clock, T momentum, bool nesterov",
        "T value, T velocity",
        "velocity = momentum * velocity + grad;"
        "value -= T(clock[1]) * (nesterov ? grad + momentum * velocity : velocity)",
    ),
    "rmsprop": (
        "T grad, raw float64 clock, T decay, T rest, T eps",
        "T value, T square",
        "square = decay * square + rest * grad * grad; value -= T(clock[1]) * (grad / (sqrt(square) + eps))",
    ),
    # schedule = (rate, eps_t, factor of weight decay): doubles worked out once, not in every element
    "adam_schedule": (
        "float64 beta1, float64 beta2, float64 eps, float64 weight_decay",
        "raw float64 clock, raw float64 schedule",
        "double t = clock[0] += 1;"
        "double root = sqrt(1 - pow(beta2, t));"
        "schedule[0] = clock[1] * (1 - beta1) / (1 - pow(beta1, t)) * root;"
        "schedule[1] = eps * root;"
        "schedule[2] = 1 - clock[1] * weight_decay",
    ),
    "adam": (
        "T grad, raw float64 schedule, T beta1, T beta2, T rest",
        "T value, T m, T v",
        "m = beta1 * m + grad; v = beta2 * v + rest * grad * grad;"
        "value = T(schedule[2]) * value - T(schedule[0]) * (m / (sqrt(v) + T(schedule[1])))",
    ),
    # ---- data
    "gather_rows": (
        "raw uint8 bytes, raw int64 index, int64 n_rows, int64 row_size, T scale, T shift",
        "T y",
        "long long row = index[i / row_size];"
        "row = row < 0 ? 0 : row >= n_rows ? n_rows - 1 : row;"
        "y = scale * bytes[row * row_size + i % row_size] + shift",
    ),
    "find_non_finite": ("T x", "raw int64 found", "if (!isfinite(x)) found[0] = 1"),
    # ---- random numbers; state = (key, stream, position)
    "uniform": (
        "raw uint64 state, T low, T high",
        "T y",
        "unsigned int w[4]; philox(state[0], state[1], state[2] + i, w);"
        "y = unit(w[0], w[1], T()) * (high - low) + low",
    ),
    "normal": (  # Box & Muller 1958; 1 - unit lies in (0, 1], where the logarithm is finite
        "raw uint64 state",
        "T y",
        "unsigned int w[4]; philox(state[0], state[1], state[2] + i, w);"
        "y = sqrt(T(-2) * log(1 - unit(w[0], w[1], T()))) * cos(T(6.283185307179586) * unit(w[2], w[3], T()))",
    ),
    "dropout_mask": (
        "raw uint64 state, uint64 dropped, T kept",
        "T y",
        "unsigned int w[4]; philox(state[0], state[1], state[2] + i, w);"
        "y = w[0] >= dropped ? kept : T(0)",
    ),
    "advance": ("int64 n", "raw uint64 state", "state[2] += n"),
    # a shuffle sorts by random keys of 63 bits; what pads the vector to a power of two has a larger one
    "shuffle_keys": (
        "raw uint64 state, raw int64 index, int64 n",
        "raw uint64 keys, raw int64 items",
        "unsigned int w[4]; philox(state[0], state[1], state[2] + i, w);"
        "keys[i] = i < n ? ((unsigned long long)w[0] << 32 | w[1]) >> 1 : ~0ULL;"
        "items[i] = i < n ? index[i] : 0",
    ),
    # one stage of Batcher's bitonic sort: each pair (i, i + distance) is put in the order of its run
    "shuffle_stage": (
        "int64 distance, int64 run",
        "raw uint64 keys, raw int64 items",
        "long long other = i ^ distance;"
        "if (other > i && (keys[i] > keys[other]) == ((i & run) == 0)) {"
        "  unsigned long long key = keys[i]; keys[i] = keys[other]; keys[other] = key;"
        "  long long item = items[i]; items[i] = items[other]; items[other] = item;"
        "}",
    ),
    **POOLING,
    **AUGMENTATION,
}

# Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3": Philox 4x32 of ten rounds.
PHILOX = r"""
__device__ void philox(unsigned long long key, unsigned long long stream, unsigned long long position, unsigned int w[4]) {
    unsigned int k0 = (unsigned int)key, k1 = (unsigned int)(key >> 32);
    w[0] = (unsigned int)position; w[1] = (unsigned int)(position >> 32);
    w[2] = (unsigned int)stream; w[3] = (unsigned int)(stream >> 32);
    for (int round = 0; round < 10; ++round) {
        unsigned long long a = 0xD2511F53ULL * w[0], b = 0xCD9E8D57ULL * w[2];
        w[0] = (unsigned int)(b >> 32) ^ w[1] ^ k0; w[1] = (unsigned int)b;
        w[2] = (unsigned int)(a >> 32) ^ w[3] ^ k1; w[3] = (unsigned int)a;
        k0 += 0x9E3779B9U; k1 += 0xBB67AE85U;
    }
}
// uniform on [0, 1): 24 random bits as a float, 53 as a double
__device__ float unit(unsigned int a, unsigned int b, float) { return (a >> 8) * (1.0f / 16777216.0f); }
__device__ double unit(unsigned int a, unsigned int b, double) {
    return (((unsigned long long)a << 32 | b) >> 11) * (1.0 / 9007199254740992.0);
}
"""

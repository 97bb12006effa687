"""The CUDA kernels that sum, as data: nothing here imports CuPy, so a machine without a GPU can check every one.

CUDA C++ templates for sums over the rows of a matrix and over all elements. One block makes each sum, in an order that is
always the same: equal inputs give equal bytes, which atomic additions would not. Sums are in double precision: a float keeps
two digits of the sum of ten million numbers. Arrays are C-contiguous and of one dtype; they come first; counts and flags are
`long long` and numbers `double`, which is how CuPy hands over Python's int and float.
"""

WIDTH, DEPTH = 32, 16  # the threads of a block that sums columns: a warp of columns side by side, the rows shared out
THREADS = 256  # of the block that sums everything

COLUMNS = r"""
// Sums over the rows of C-contiguous matrices. A block owns WIDTH columns: thread (x, y) adds up rows y, y + DEPTH, ... of
// column x.

// the sum of `part` over threadIdx.y, for each threadIdx.x
__device__ double sum_of_column(double part) {
    __shared__ double parts[DEPTH][WIDTH];
    __syncthreads();  // whoever reads the sum before this one is done
    parts[threadIdx.y][threadIdx.x] = part;
    for (int half = DEPTH / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < half) parts[threadIdx.y][threadIdx.x] += parts[threadIdx.y + half][threadIdx.x];
    }
    __syncthreads();
    return parts[0][threadIdx.x];
}

// out[j] = sum_i x[i, j], or +=
template <typename T> __global__ void sum_rows(const T* x, T* out, long long rows, long long columns, long long add) {
    long long j = (long long)blockIdx.x * WIDTH + threadIdx.x;
    double sum = 0;
    if (j < columns) for (long long i = threadIdx.y; i < rows; i += DEPTH) sum += x[i * columns + j];
    sum = sum_of_column(sum);
    if (j < columns && threadIdx.y == 0) out[j] = add ? out[j] + sum : sum;
}

// out[j] = sum_i x[i, j] y[i, j]
template <typename T> __global__ void sum_product_rows(const T* x, const T* y, T* out, long long rows, long long columns) {
    long long j = (long long)blockIdx.x * WIDTH + threadIdx.x;
    double sum = 0;
    if (j < columns) for (long long i = threadIdx.y; i < rows; i += DEPTH) sum += x[i * columns + j] * y[i * columns + j];
    sum = sum_of_column(sum);
    if (j < columns && threadIdx.y == 0) out[j] = sum;
}

// mean and var of each column, inv_std = 1 / sqrt(var + eps), out = (x - mean) inv_std
template <typename T> __global__ void normalize(const T* x, T* out, T* mean, T* var, T* inv_std,
                                                long long rows, long long columns, double eps) {
    long long j = (long long)blockIdx.x * WIDTH + threadIdx.x;
    double sum = 0, squares = 0;
    if (j < columns) for (long long i = threadIdx.y; i < rows; i += DEPTH) sum += x[i * columns + j];
    T center = sum_of_column(sum) / rows;  // of equal numbers, that number
    if (j < columns) for (long long i = threadIdx.y; i < rows; i += DEPTH) {
        T distance = x[i * columns + j] - center;
        squares += distance * distance;
    }
    double variance = sum_of_column(squares) / rows;
    T scale = 1 / sqrt(variance + eps);
    if (j < columns) {
        for (long long i = threadIdx.y; i < rows; i += DEPTH) out[i * columns + j] = (x[i * columns + j] - center) * scale;
        if (threadIdx.y == 0) { mean[j] = center; var[j] = variance; inv_std[j] = scale; }
    }
}
"""

LOSSES = r"""
// A mean over all elements, by one block: thread k takes elements k, k + THREADS, ...
// The target is an array (each = 1) or a number.

// the sum of `part` over the block, known to every thread
__device__ double sum_of_block(double part) {
    __shared__ double parts[THREADS];
    parts[threadIdx.x] = part;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    }
    __syncthreads();
    return parts[0];
}

// value = (weight / n) sum(max(z, 0) - z t + log(1 + exp(-|z|))), dz = (weight / n) (sigmoid(z) - t)
template <typename T> __global__ void bce_with_logits(const T* z, const T* target, T* dz, T* value,
                                                      long long each, double number, long long n, double weight) {
    T scale = T(weight / n);
    double sum = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        T logit = z[i], t = each ? target[i] : T(number);
        T tail = exp(-fabs(logit)), s = tail / (1 + tail);  // s = sigmoid(-|z|) keeps what 1 - s would round away
        dz[i] = ((signbit(logit) ? T(0) : T(1)) - t - copysign(s, logit)) * scale;
        sum += (logit < 0 ? T(0) : logit) - logit * t + log1p(tail);
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) value[0] = sum * scale;
}

// value = -(weight / n) sum(t log p + (1 - t) log(1 - p)), dp = (weight / n) (p - t) / (p (1 - p)), p within [low, high],
// p (1 - p) at least `least`
template <typename T> __global__ void bce(const T* p, const T* target, T* dp, T* value, long long each, double number,
                                          long long n, double weight, double low, double high, double least) {
    T scale = T(weight / n);
    double sum = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        T t = each ? target[i] : T(number);
        T inside = p[i] < T(low) ? T(low) : p[i] > T(high) ? T(high) : p[i], rest = 1 - inside;
        T slope = inside * rest;
        dp[i] = (inside - t) / (slope < T(least) ? T(least) : slope) * scale;
        sum += log(rest) + t * (log(inside) - log(rest));
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) value[0] = -(sum * scale);
}

// value = (weight / n) sum((y - t)^2), dy = (weight / n) 2 (y - t)
template <typename T> __global__ void squared_error(const T* y, const T* target, T* dy, T* value,
                                                    long long each, double number, long long n, double weight) {
    T scale = T(weight / n);
    double sum = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        T error = y[i] - (each ? target[i] : T(number));
        dy[i] = 2 * scale * error;
        sum += error * error;
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) value[0] = sum * scale;
}

// value = (weight / n) sum(max(1 - t y, 0)), dy = -(weight / n) t where t y < 1, else 0
template <typename T> __global__ void hinge(const T* y, const T* target, T* dy, T* value,
                                            long long each, double number, long long n, double weight) {
    T scale = T(weight / n);
    double sum = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        T t = each ? target[i] : T(number), gap = 1 - t * y[i];
        dy[i] = gap > 0 ? -scale * t : T(0);
        sum += gap < 0 ? T(0) : gap;
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) value[0] = sum * scale;
}

// value = (weight / n) sum(y), dy = weight / n
template <typename T> __global__ void mean(const T* y, T* dy, T* value, long long n, double weight) {
    T scale = T(weight / n);
    double sum = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        sum += y[i];
        dy[i] = scale;
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) value[0] = sum * scale;
}

// the largest `part` of the block, NaN where one is; known to every thread
template <typename T> __device__ T largest_of_block(T part) {
    __shared__ T parts[THREADS];
    parts[threadIdx.x] = part;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) {
            T other = parts[threadIdx.x + half];
            if (other > parts[threadIdx.x] || isnan(other)) parts[threadIdx.x] = other;
        }
    }
    __syncthreads();
    return parts[0];
}

// each[n] = (|g_n| - target)^2, dg_n = scale (g_n - target g_n / |g_n|); block n does row n. The row is divided by its largest
// number before it is squared, by `tiny` if that is larger; `least` is what |g_n| / tiny is at least, unless g_n is 0
template <typename T> __global__ void norm_penalty(const T* g, T* dg, T* each, long long columns,
                                                   double target, double scale, double tiny, double least) {
    const T* row = g + blockIdx.x * columns;
    T largest = 0;
    for (long long j = threadIdx.x; j < columns; j += THREADS) {
        T size = fabs(row[j]);
        if (size > largest || isnan(size)) largest = size;
    }
    largest = largest_of_block(largest);
    T unit = largest < T(tiny) ? T(tiny) : largest;
    double squares = 0;
    for (long long j = threadIdx.x; j < columns; j += THREADS) squares += (row[j] / unit) * (row[j] / unit);
    T root = sqrt(sum_of_block(squares)), beyond = unit * root - T(target);
    T back = T(target) / (root < T(least) ? T(least) : root);
    for (long long j = threadIdx.x; j < columns; j += THREADS)
        dg[blockIdx.x * columns + j] = T(scale) * (row[j] - back * (row[j] / unit));
    if (threadIdx.x == 0) each[blockIdx.x] = beyond * beyond;
}

// value = (weight / n) sum(log sum_j exp(z_j - m) - (z_t - m)), dz = (weight / n) (softmax(z) - [k = t]), m = max(z): thread k
// takes rows k, k + THREADS, ...; a class that is not there makes its row and the value NaN
template <typename T> __global__ void softmax_cross_entropy(const T* z, T* dz, T* value, const long long* classes,
                                                            long long n, long long n_classes, double weight) {
    T scale = T(weight / n);
    double loss = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        const T* row = z + i * n_classes;
        long long t = classes[i];
        bool known = 0 <= t && t < n_classes;
        T largest = row[0], sum = 0;
        for (long long k = 1; k < n_classes; ++k) largest = row[k] > largest ? row[k] : largest;
        for (long long k = 0; k < n_classes; ++k) sum += exp(row[k] - largest);
        T factor = known ? scale / sum : T(nan(""));
        for (long long k = 0; k < n_classes; ++k) dz[i * n_classes + k] = exp(row[k] - largest) * factor - (k == t ? scale : T(0));
        loss += known ? log(sum) - (row[t] - largest) : T(nan(""));
    }
    loss = sum_of_block(loss);
    if (threadIdx.x == 0) value[0] = loss * scale;
}

// out[0] = the mean of sigmoid(z)
template <typename T> __global__ void mean_sigmoid(const T* z, T* out, long long n) {
    double sum = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        T tail = exp(-fabs(z[i]));
        sum += (z[i] >= 0 ? T(1) : tail) / (1 + tail);
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) out[0] = sum / n;
}
"""

VECTORS = r"""
// x /= max(|x|, tiny), by one block
template <typename T> __global__ void normalize_vector(T* x, long long n, double tiny) {
    double sum = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) sum += double(x[i]) * x[i];
    T norm = sqrt(sum_of_block(sum));
    norm = norm < T(tiny) ? T(tiny) : norm;
    for (long long i = threadIdx.x; i < n; i += THREADS) x[i] /= norm;
}
"""

SOURCE = f"constexpr int WIDTH = {WIDTH}, DEPTH = {DEPTH}, THREADS = {THREADS};\n{COLUMNS}{LOSSES}{VECTORS}"
REDUCTIONS = (
    *("sum_rows", "sum_product_rows", "normalize", "bce_with_logits", "bce", "squared_error", "hinge", "mean", "norm_penalty"),
    *("softmax_cross_entropy", "mean_sigmoid", "normalize_vector"),
)
TYPES = ("float", "double")

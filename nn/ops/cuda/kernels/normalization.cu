// Sums over the rows of C-contiguous matrices. A block owns WIDTH columns: thread (x, y) adds up
// rows y, y + DEPTH, ... of column x.

// out[j] = sum_i x[i, j], or +=
template <typename T>
__global__ void sum_rows(const T* x, T* out, long long rows, long long columns, long long add) {
    long long j = (long long)blockIdx.x * WIDTH + threadIdx.x;
    double sum = 0;
    if (j < columns)
        for (long long i = threadIdx.y; i < rows; i += DEPTH) sum += x[i * columns + j];
    sum = sum_of_column(sum);
    if (j < columns && threadIdx.y == 0) out[j] = add ? out[j] + sum : sum;
}

// out[j] = sum_i x[i, j] y[i, j]
template <typename T>
__global__ void sum_product_rows(const T* x, const T* y, T* out, long long rows,
                                 long long columns) {
    long long j = (long long)blockIdx.x * WIDTH + threadIdx.x;
    double sum = 0;
    if (j < columns)
        for (long long i = threadIdx.y; i < rows; i += DEPTH)
            sum += x[i * columns + j] * y[i * columns + j];
    sum = sum_of_column(sum);
    if (j < columns && threadIdx.y == 0) out[j] = sum;
}

// mean and var of each column, inv_std = 1 / sqrt(var + eps), out = (x - mean) inv_std
template <typename T>
__global__ void normalize(const T* x, T* out, T* mean, T* var, T* inv_std, long long rows,
                          long long columns, double eps) {
    long long j = (long long)blockIdx.x * WIDTH + threadIdx.x;
    double sum = 0, squares = 0;
    if (j < columns)
        for (long long i = threadIdx.y; i < rows; i += DEPTH) sum += x[i * columns + j];
    T center = sum_of_column(sum) / rows;  // of equal numbers, that number
    if (j < columns)
        for (long long i = threadIdx.y; i < rows; i += DEPTH) {
            T distance = x[i * columns + j] - center;
            squares += distance * distance;
        }
    double variance = sum_of_column(squares) / rows;
    T scale = 1 / sqrt(variance + eps);
    if (j < columns) {
        for (long long i = threadIdx.y; i < rows; i += DEPTH)
            out[i * columns + j] = (x[i * columns + j] - center) * scale;
        if (threadIdx.y == 0) {
            mean[j] = center;
            var[j] = variance;
            inv_std[j] = scale;
        }
    }
}

// x /= max(|x|, tiny), by one block
template <typename T>
__global__ void normalize_vector(T* x, long long n, double tiny) {
    double sum = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) sum += double(x[i]) * x[i];
    T norm = sqrt(sum_of_block(sum));
    norm = norm < T(tiny) ? T(tiny) : norm;
    for (long long i = threadIdx.x; i < n; i += THREADS) x[i] /= norm;
}

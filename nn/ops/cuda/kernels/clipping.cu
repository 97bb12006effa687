// The norm of a vector, by many blocks, and the factor that limits it.

// sums[b] = the sum of squares of elements b share, ..., b share + share - 1
template <typename T>
__global__ void sum_of_squares(const T* x, double* sums, long long n, long long share) {
    long long start = blockIdx.x * share, end = start + share < n ? start + share : n;
    double sum = 0;
    for (long long i = start + threadIdx.x; i < end; i += THREADS) sum += double(x[i]) * x[i];
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// norm = sqrt(sum of sums), factor = max_norm / (norm + eps)
template <typename T>
__global__ void norm_factor(T* norm, const double* sums, double* factor, long long n_blocks,
                            double max_norm, double eps) {
    double sum = 0;
    for (long long b = threadIdx.x; b < n_blocks; b += THREADS) sum += sums[b];
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) {
        norm[0] = sqrt(sum);
        factor[0] = isinf(max_norm) ? 1 : max_norm / (sqrt(sum) + eps);
    }
}

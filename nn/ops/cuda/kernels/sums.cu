// Sums by the threads of a block, always in the same order: equal inputs give equal bytes, which
// atomic additions would not. They are in double precision: a float keeps two digits of the sum of
// ten million numbers.

// the sum of `part` over threadIdx.y, for each threadIdx.x
__device__ double sum_of_column(double part) {
    __shared__ double parts[DEPTH][WIDTH];
    __syncthreads();  // all threads have read the previous sum
    parts[threadIdx.y][threadIdx.x] = part;
    for (int half = DEPTH / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < half)
            parts[threadIdx.y][threadIdx.x] += parts[threadIdx.y + half][threadIdx.x];
    }
    __syncthreads();
    return parts[0][threadIdx.x];
}

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

// the largest `part` of the block, NaN where one is NaN; known to every thread
template <typename T>
__device__ T largest_of_block(T part) {
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

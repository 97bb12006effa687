// A mean over all elements, by one block: thread k takes elements k, k + THREADS, ...
// The target is an array (each = 1) or a number.

// value = (weight / n) sum(max(z, 0) - z t + log(1 + exp(-|z|))),
// dz = (weight / n) (sigmoid(z) - t)
template <typename T>
__global__ void bce_with_logits(const T* z, const T* target, T* dz, T* value, long long each,
                                double number, long long n, double weight) {
    T scale = T(weight / n);
    double sum = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        T logit = z[i], t = each ? target[i] : T(number);
        T tail = exp(-fabs(logit));
        T s = tail / (1 + tail);  // sigmoid(-|z|) keeps what 1 - s would round away
        dz[i] = ((signbit(logit) ? T(0) : T(1)) - t - copysign(s, logit)) * scale;
        sum += (logit < 0 ? T(0) : logit) - logit * t + log1p(tail);
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) value[0] = sum * scale;
}

// value = -(weight / n) sum(t log p + (1 - t) log(1 - p)), dp = (weight / n) (p - t) / (p (1 - p)),
// with p clipped to [low, high] and p (1 - p) at least `least`
template <typename T>
__global__ void bce(const T* p, const T* target, T* dp, T* value, long long each, double number,
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
template <typename T>
__global__ void squared_error(const T* y, const T* target, T* dy, T* value, long long each,
                              double number, long long n, double weight) {
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

// value = (weight / n) sum(|y - t|), dy = (weight / n) sign(y - t)
template <typename T>
__global__ void absolute_error(const T* y, const T* target, T* dy, T* value, long long each,
                               double number, long long n, double weight) {
    T scale = T(weight / n);
    double sum = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        T error = y[i] - (each ? target[i] : T(number));
        dy[i] = error > 0 ? scale : error < 0 ? -scale : 0 * error;  // NaN stays NaN
        sum += fabs(error);
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) value[0] = sum * scale;
}

// value = (weight / n) sum(max(1 - t y, 0)), dy = -(weight / n) t where t y < 1, else 0
template <typename T>
__global__ void hinge(const T* y, const T* target, T* dy, T* value, long long each, double number,
                      long long n, double weight) {
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
template <typename T>
__global__ void mean(const T* y, T* dy, T* value, long long n, double weight) {
    T scale = T(weight / n);
    double sum = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        sum += y[i];
        dy[i] = scale;
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) value[0] = sum * scale;
}

// each[n] = (|g_n| - target)^2, dg_n = scale (g_n - target g_n / |g_n|); block n computes row n.
// The row is divided by its largest element, or by `tiny` if that is larger, before it is squared;
// |g_n| / tiny is at least `least` unless g_n is 0.
template <typename T>
__global__ void norm_penalty(const T* g, T* dg, T* each, long long columns, double target,
                             double scale, double tiny, double least) {
    const T* row = g + blockIdx.x * columns;
    T largest = 0;
    for (long long j = threadIdx.x; j < columns; j += THREADS) {
        T size = fabs(row[j]);
        if (size > largest || isnan(size)) largest = size;
    }
    largest = largest_of_block(largest);
    T unit = largest < T(tiny) ? T(tiny) : largest;
    double squares = 0;
    for (long long j = threadIdx.x; j < columns; j += THREADS)
        squares += (row[j] / unit) * (row[j] / unit);
    T root = sqrt(sum_of_block(squares)), excess = unit * root - T(target);
    T back = T(target) / (root < T(least) ? T(least) : root);
    for (long long j = threadIdx.x; j < columns; j += THREADS)
        dg[blockIdx.x * columns + j] = T(scale) * (row[j] - back * (row[j] / unit));
    if (threadIdx.x == 0) each[blockIdx.x] = excess * excess;
}

// value = (weight / n) sum(log sum_j exp(z_j - m) - sum_k q_k (z_k - m)), m = max(z),
// dz = (weight / n) (softmax(z) - q), q_k = (1 - smoothing) [k = t] + smoothing / classes.
// Thread k takes rows k, k + THREADS, ... A class out of range makes its row and the value NaN.
template <typename T>
__global__ void softmax_cross_entropy(const T* z, T* dz, T* value, const long long* classes,
                                      long long n, long long n_classes, double weight,
                                      double smoothing) {
    T scale = T(weight / n), at_class = T((1 - smoothing) * weight / n);
    T everywhere = T(smoothing / n_classes * weight / n);
    double loss = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        const T* row = z + i * n_classes;
        long long t = classes[i];
        bool known = 0 <= t && t < n_classes;
        T largest = row[0], sum = 0, others = 0;
        for (long long k = 1; k < n_classes; ++k) largest = row[k] > largest ? row[k] : largest;
        for (long long k = 0; k < n_classes; ++k) {
            sum += exp(row[k] - largest);
            if (smoothing > 0) others += row[k] - largest;
        }
        T factor = known ? scale / sum : T(nan(""));
        for (long long k = 0; k < n_classes; ++k)
            dz[i * n_classes + k] =
                exp(row[k] - largest) * factor - everywhere - (k == t ? at_class : T(0));
        loss += known ? log(sum) - T(1 - smoothing) * (row[t] - largest) -
                            T(smoothing / n_classes) * others
                      : T(nan(""));
    }
    loss = sum_of_block(loss);
    if (threadIdx.x == 0) value[0] = loss * scale;
}

// out[0] = the mean of sigmoid(z)
template <typename T>
__global__ void mean_sigmoid(const T* z, T* out, long long n) {
    double sum = 0;
    for (long long i = threadIdx.x; i < n; i += THREADS) {
        T tail = exp(-fabs(z[i]));
        sum += (z[i] >= 0 ? T(1) : tail) / (1 + tail);
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) out[0] = sum / n;
}

// y = softmax(x) of each row; block n computes row n
template <typename T>
__global__ void softmax(const T* x, T* y, long long columns) {
    x += blockIdx.x * columns;
    y += blockIdx.x * columns;
    T largest = x[0];
    for (long long j = threadIdx.x; j < columns; j += THREADS)
        if (x[j] > largest || isnan(x[j])) largest = x[j];
    largest = largest_of_block(largest);
    double sum = 0;
    for (long long j = threadIdx.x; j < columns; j += THREADS) {
        y[j] = exp(x[j] - largest);
        sum += y[j];
    }
    T total = sum_of_block(sum);
    for (long long j = threadIdx.x; j < columns; j += THREADS) y[j] /= total;
}

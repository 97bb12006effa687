// Pooling and upsampling of x (N, H, W, C) to y (N, P, Q, C). Each result gathers what belongs to
// it, so nothing is added atomically. i is the index of the result's element.

struct Geometry {
    long long H, W, C, P, Q, kh, kw, sh, sw, ph, pw;
};

// visit(tap, index of its pixel) for the taps of output (n, p, q, c) that lie inside the image
template <typename Visit>
__device__ void for_each_tap(long long i, const Geometry& g, Visit visit) {
    long long c = i % g.C, q = i / g.C % g.Q, p = i / g.C / g.Q % g.P, n = i / g.C / g.Q / g.P;
    for (long long a = 0; a < g.kh; ++a)
        for (long long b = 0; b < g.kw; ++b) {
            long long h = p * g.sh + a - g.ph, w = q * g.sw + b - g.pw;
            if (h < 0 || h >= g.H || w < 0 || w >= g.W) continue;
            visit(a * g.kw + b, ((n * g.H + h) * g.W + w) * g.C + c);
        }
}

// visit(tap, index of the output) for the outputs whose window contains pixel (n, h, w, c)
template <typename Visit>
__device__ void for_each_output(long long i, const Geometry& g, Visit visit) {
    long long c = i % g.C, w = i / g.C % g.W + g.pw, h = i / g.C / g.W % g.H + g.ph;
    long long n = i / g.C / g.W / g.H;
    for (long long a = h % g.sh; a < g.kh && a <= h; a += g.sh)
        for (long long b = w % g.sw; b < g.kw && b <= w; b += g.sw) {
            long long p = (h - a) / g.sh, q = (w - b) / g.sw;
            if (p >= g.P || q >= g.Q) continue;
            visit(a * g.kw + b, ((n * g.P + p) * g.Q + q) * g.C + c);
        }
}

template <typename T, typename X>
__device__ T max_pool(const X& x, long long i, const Geometry& g, unsigned char& winner) {
    T best = log(T(0));  // -infinity: NVRTC has no macro for it
    bool inside = false;
    winner = 0;
    for_each_tap(i, g, [&](long long tap, long long pixel) {
        T value = x[pixel];
        if (!inside || value > best || isnan(value)) {
            best = value;
            winner = (unsigned char)tap;
        }
        inside = true;
    });
    return best;
}

template <typename T, typename Dy, typename Winner>
__device__ T max_pool_backward(const Dy& dy, const Winner& winner, long long i, const Geometry& g) {
    T sum = 0;
    for_each_output(i, g, [&](long long tap, long long output) {
        if (winner[output] == tap) sum += dy[output];
    });
    return sum;
}

template <typename T, typename X>
__device__ T avg_pool(const X& x, long long i, const Geometry& g) {
    T sum = 0;
    for_each_tap(i, g, [&](long long, long long pixel) { sum += x[pixel]; });
    return sum / (g.kh * g.kw);
}

template <typename T, typename Dy>
__device__ T avg_pool_backward(const Dy& dy, long long i, const Geometry& g) {
    T sum = 0;
    for_each_output(i, g, [&](long long, long long output) { sum += dy[output]; });
    return sum / (g.kh * g.kw);
}

// y[n, h, w, c] = x[n, h / fh, w / fw, c]
template <typename T, typename X>
__device__ T upsample(const X& x, long long i, long long H, long long W, long long C, long long fh,
                      long long fw) {
    long long c = i % C, w = i / C % (W * fw) / fw;
    long long h = i / C / (W * fw) % (H * fh) / fh, n = i / C / (W * fw) / (H * fh);
    return x[((n * H + h) * W + w) * C + c];
}

// dx[n, h, w, c] = the sum of dy over the fh fw copies of that pixel
template <typename T, typename Dy>
__device__ T upsample_backward(const Dy& dy, long long i, long long W, long long C, long long fh,
                               long long fw) {
    long long c = i % C, w = i / C % W;
    long long nh = i / C / W;  // n H + h: the rows of consecutive samples are consecutive
    T sum = 0;
    for (long long a = 0; a < fh; ++a)
        for (long long b = 0; b < fw; ++b)
            sum += dy[((nh * fh + a) * W * fw + w * fw + b) * C + c];
    return sum;
}

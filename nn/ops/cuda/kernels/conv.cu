// Convolutions as matrix products; notation as in nn/ops/numpy/conv.py.
// i is the index of the result's element.

// columns[row, column] = x[n, p sh + a - ph, q sw + b - pw, c],
// with row = (n P + p) Q + q and column = (a kw + b) C + c
template <typename T, typename X>
__device__ T im2col(const X& x, long long i, long long H, long long W, long long C, long long P,
                    long long Q, long long kw, long long width, long long sh, long long sw,
                    long long ph, long long pw) {
    long long row = i / width, column = i % width;
    long long h = row / Q % P * sh + column / C / kw - ph;
    long long w = row % Q * sw + column / C % kw - pw;
    bool inside = 0 <= h && h < H && 0 <= w && w < W;
    return inside ? x[((row / Q / P * H + h) * W + w) * C + column % C] : T(0);
}

// pixel[n, h, w, c] = shift + the sum of columns over all p sh + a - ph = h, q sw + b - pw = w.
// Each pixel gathers from its own windows, always in the same order.
template <typename T, typename Columns>
__device__ T col2im(const Columns& columns, T shift, long long i, long long H, long long W,
                    long long C, long long P, long long Q, long long kh, long long kw, long long sh,
                    long long sw, long long ph, long long pw) {
    long long c = i % C, w = i / C % W + pw, h = i / C / W % H + ph, n = i / C / W / H;
    T sum = shift;
    for (long long a = h % sh; a < kh && a <= h; a += sh) {
        long long p = (h - a) / sh;
        if (p >= P) continue;
        for (long long b = w % sw; b < kw && b <= w; b += sw) {
            long long q = (w - b) / sw;
            if (q >= Q) continue;
            sum += columns[(((n * P + p) * Q + q) * kh * kw + a * kw + b) * C + c];
        }
    }
    return sum;
}

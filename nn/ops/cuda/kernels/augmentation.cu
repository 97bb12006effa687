// Random shifts and cut-outs of images (N, H, W, C). Each thread computes the offsets from the
// draws itself: none goes through the host. i is the index of the result's element.

struct Pixel {
    long long n, h, w, c;
};

__device__ Pixel pixel_of(long long i, long long H, long long W, long long C) {
    return {i / C / W / H, i / C / W % H, i / C % W, i % C};
}

// a uniform draw on [0, 1) as an integer from 0 to n - 1
template <typename T>
__device__ long long integer(T draw, long long n) {
    return (long long)(draw * n);
}

// y[n, h, w] = x[n, h - down, w - right], or fill; sign = 1, or -1 for the way back
template <typename T, typename X, typename Draws>
__device__ T shift_images(const X& x, const Draws& draws, long long i, long long H, long long W,
                          long long C, long long reach, T fill, long long sign) {
    Pixel p = pixel_of(i, H, W, C);
    long long h = p.h - sign * (integer(draws[2 * p.n], 2 * reach + 1) - reach);
    long long w = p.w - sign * (integer(draws[2 * p.n + 1], 2 * reach + 1) - reach);
    bool inside = 0 <= h && h < H && 0 <= w && w < W;
    return inside ? x[((p.n * H + h) * W + w) * C + p.c] : fill;
}

// whether a pixel lies in its image's square
template <typename Draws>
__device__ bool is_cut_out(const Draws& draws, long long i, long long H, long long W, long long C,
                           long long size) {
    Pixel p = pixel_of(i, H, W, C);
    long long top = integer(draws[2 * p.n], H + 1 - size % 2) - size / 2;
    long long left = integer(draws[2 * p.n + 1], W + 1 - size % 2) - size / 2;
    return top <= p.h && p.h < top + size && left <= p.w && p.w < left + size;
}

"""Convolutions on a CUDA device, as matrix products."""


class CudaConv:
    """Convolution, its adjoint and its weight gradient, in the notation of `numpy_conv.py`; arrays are C-contiguous.

    The column matrix X (N P Q, kh kw C) is written out whole: kh kw times the memory of the images, and one large product,
    which a GPU does best.
    """

    def conv(self, x, W, b, stride, padding, *, out):
        K = len(W)
        X = self._im2col(x, W.shape[1:3], stride, padding, out.shape[1:3])
        self.gemm(X, W.reshape(K, -1), trans_b=True, out=out.reshape(-1, K))  # Y = X W^T
        return out if b is None else self.add_(out, b)

    def conv_weight_grad(self, x, dy, stride, padding, *, out, add=False):
        K, *kernel, _ = out.shape
        X = self._im2col(x, kernel, stride, padding, dy.shape[1:3])
        self.gemm(dy.reshape(-1, K), X, trans_a=True, out=out.reshape(K, -1), add=add)  # dW = dY^T X
        return out

    def conv_transpose(self, y, W, b, stride, padding, *, out):
        (N, P, Q, K), (_, kh, kw, C), (_, H, W_out, _) = y.shape, W.shape, out.shape
        X = self._columns(N * P * Q, kh * kw * C, y.dtype)
        self.gemm(y.reshape(-1, K), W.reshape(K, -1), out=X)  # X = Y W
        shift = 0 if b is None else b
        self._kernel("col2im")(X, shift, H, W_out, C, P, Q, kh, kw, *stride, *padding, out)
        return out

    def _im2col(self, x, kernel, stride, padding, size):
        (kh, kw), (P, Q), (N, H, W, C) = kernel, size, x.shape
        X = self._columns(N * P * Q, kh * kw * C, x.dtype)
        self._kernel("im2col")(x, H, W, C, P, Q, kw, kh * kw * C, *stride, *padding, X)
        return X

    def _columns(self, rows, width, dtype):
        return self._scratch(f"columns {dtype}", rows * width, dtype).reshape(rows, width)

"""Batch normalisation on a CUDA device, for a matrix of rows."""


class CudaNormalization:
    """What each computes stands in the docstrings of `NumpyNormalization`; x is C-contiguous."""

    def normalize(self, x, eps, *, out, mean, var, inv_std):
        self._sum_columns("normalize", (x, out, mean, var, inv_std), x.shape, float(eps))
        return out

    def normalize_backward(self, dy, xhat, W, inv_std, dW, db, *, out):
        self._kernel("normalize_backward")(dy, xhat, W, inv_std, dW, db, len(dy), out)
        return out

    def scale_shift(self, x, scale, shift, *, out):
        self._kernel("scale_shift")(x, scale, shift, out)
        return out

    def shift_scale(self, x, shift, scale, *, out):
        self._kernel("shift_scale")(x, shift, scale, out)
        return out

    def inverse_std(self, var, eps, *, out):
        self._kernel("inverse_std")(var, eps, out)
        return out

    def sum_product_rows(self, x, y, *, out):
        self._sum_columns("sum_product_rows", (x, y, out), x.shape)
        return out

    def moving_average_(self, average, value, weight, *, scale=1.0):
        self._kernel("moving_average")(value, weight, scale, average)
        return average

r"""The equations of layers in TeX, each with the text in the layer's source that it stands for.

The text is a comment that states the equation, or else the call that computes it. A test looks for
it in the source, so an equation cannot outlive a change of its layer. A layer without an entry,
such as one of the user's own, is shown with its source and its own comments.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Equation:
    """An equation and where it stands.

    Parameters
    ----------
    text
        In the source of the pass: a comment, which stands for its line or for the statement below
        it, or a part of a statement.
    tex
        The equation.
    note
        What its letters mean.
    """

    text: str
    tex: str
    note: str = ""


def _d(of: str, by: str) -> str:
    """A partial derivative."""
    return rf"\frac{{\partial {of}}}{{\partial {by}}}"


STRIDE = "s: stride, h: padding"
DY, DX, DW, DB = (_d("L", name) for name in ("y", "x", "W", "b"))
DOWN = r"\mathrm{d}y"  # the gradient that went down through a layer, as a number of its own
DDY = _d("P", r"(\mathrm{d}y)")  # of a penalty P on dx
CONV_SUM = r"b_k + \sum_{c,\,i,\,j} x_{n,\,c,\,p s + i - h,\,q s + j - h}\; W_{k,\,i,\,j,\,c}"

_DENSE = {
    "forward": [Equation("y = x W + b", r"y = x\,W + b")],
    "backward": [
        Equation("dL/dW = x^T dy", rf"{DW} = x^\top\,{DY}"),
        Equation("dL/db = sum_n dy_n", rf"{DB} = \sum_n {_d('L', 'y_n')}"),
        Equation("dL/dx = dy W^T", rf"{DX} = {DY}\,W^\top"),
    ],
    "double_backward": [
        Equation("so dP/dW = v^T dy", rf"{_d('P', 'W')} = v^\top\,{DOWN}"),
        Equation("dP/d(dy) = v W", rf"{DDY} = v\,W"),
    ],
}
_CONV = {
    "forward": [Equation("self.ops.conv(", rf"y_{{n,k,p,q}} = {CONV_SUM}", STRIDE)],
    "backward": [
        Equation(
            "dL/dW = dY^T X",
            rf"{_d('L', 'W_{k,i,j,c}')} = \sum_{{n,\,p,\,q}} {_d('L', 'y_{n,k,p,q}')}\; "
            r"x_{n,\,c,\,p s + i - h,\,q s + j - h}",
            STRIDE,
        ),
        Equation(
            "dL/db = sum of dy over n, p, q",
            rf"{_d('L', 'b_k')} = \sum_{{n,\,p,\,q}} {_d('L', 'y_{n,k,p,q}')}",
        ),
        Equation(
            "dL/dx: each dy goes back through W",
            rf"{DX} = \mathrm{{conv}}^\top\!\left({DY},\, W\right)",
        ),
    ],
    "double_backward": [
        Equation("dP/dW = dY^T V", rf"{_d('P', 'W')} = \left({DOWN}\right)^{{\!\top}} V"),
        Equation("dP/d(dy) = conv(v, W)", rf"{DDY} = \mathrm{{conv}}(v,\, W)"),
    ],
}
_CONV_TRANSPOSE = {
    "forward": [
        Equation(
            "self.ops.conv_transpose(",
            r"y_{n,\,k,\,p s + i - h,\,q s + j - h} \mathrel{+}= x_{n,c,p,q}\; W_{c,\,i,\,j,\,k}"
            r"\,,\quad \text{then } + b_k",
            STRIDE,
        )
    ],
    "backward": [
        Equation(
            "dL/dW = X^T dY",
            rf"{_d('L', 'W_{c,i,j,k}')} = \sum_{{n,\,p,\,q}} x_{{n,c,p,q}}\; "
            + _d("L", r"y_{n,\,k,\,p s + i - h,\,q s + j - h}"),
            STRIDE,
        ),
        Equation(
            "dL/db = sum of dy over n, p, q",
            rf"{_d('L', 'b_k')} = \sum_{{n,\,p,\,q}} {_d('L', 'y_{n,k,p,q}')}",
        ),
        Equation("dL/dx = conv(dy, W)", rf"{DX} = \mathrm{{conv}}\!\left({DY},\, W\right)"),
    ],
    "double_backward": [
        Equation("dP/dW = V^T dY", rf"{_d('P', 'W')} = V^\top\,{DOWN}"),
        Equation("dP/d(dy) = conv_transpose(v, W)", rf"{DDY} = \mathrm{{conv}}^\top(v,\, W)"),
    ],
}
_BATCHNORM = {
    "forward": [
        Equation(
            "xhat = (x - mean) / sqrt(var + eps)",
            r"\hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}\,,\quad "
            r"\mu, \sigma^2 \text{ of the batch}",
        ),
        Equation(
            "self.ops.moving_average_(self.running_mean",
            r"\mu_\text{run} \leftarrow (1 - m)\,\mu_\text{run} + m\,\mu",
            "m: momentum; the variance alike",
        ),
        Equation(
            "self.ops.shift_scale(",
            r"\hat x = \frac{x - \mu_\text{run}}{\sqrt{\sigma^2_\text{run} + \varepsilon}}",
        ),
        Equation("y = W xhat + b", r"y = W\,\hat x + b"),
    ],
    "backward": [
        Equation("dL/dW = sum_n dy_n xhat_n", rf"{DW} = \sum_n {_d('L', 'y_n')}\,\hat x_n"),
        Equation("dL/db = sum_n dy_n", rf"{DB} = \sum_n {_d('L', 'y_n')}"),
        Equation(
            "dL/dx = W / std (dy - db / n - xhat dW / n)",
            rf"{DX} = \frac{{W}}{{\sqrt{{\sigma^2 + \varepsilon}}}} \left({DY} - \frac1n {DB} - "
            rf"\frac{{\hat x}}{{n}} {DW}\right)",
        ),
        Equation(
            "dL/dx = W / std dy",
            rf"{DX} = \frac{{W}}{{\sqrt{{\sigma^2_\text{{run}} + \varepsilon}}}}\; {DY}",
        ),
    ],
}


def _leaky(below: str, slope: str) -> dict[str, list[Equation]]:
    """The equations of LeakyReLU and ReLU, given what y and dy/dx are where x is not above 0."""
    y = rf"\begin{{cases}} x & x > 0 \\ {below} & \text{{otherwise}} \end{{cases}}"
    note = "a: slope" if slope == "a" else ""
    factor = rf"\begin{{cases}} 1 & y > 0 \\ {slope} & \text{{otherwise}} \end{{cases}}"
    return {
        "forward": [Equation("self.ops.leaky_relu(", f"y = {y}", note)],
        "backward": [
            Equation("dL/dx = dy (1 if y > 0 else slope)", rf"{DX} = {DY} \cdot {factor}", note)
        ],
        "double_backward": [
            Equation("dP/d(dy) = v (1 if y > 0 else slope)", rf"{DDY} = v \cdot {factor}")
        ],
    }


_SHAPE = {
    "forward": [Equation('cache.contiguous("y", x)', r"y = x \text{ in another shape}")],
    "backward": [
        Equation('cache.contiguous("dx", dy)', rf"{DX} = {DY} \text{{ in the shape of }} x")
    ],
    "double_backward": [Equation("dP/d(dy) = v", rf"{DDY} = v \text{{ in the shape of }} y")],
}

EQUATIONS: dict[str, dict[str, list[Equation]]] = {
    "Dense": _DENSE,
    "Conv2d": _CONV,
    "ConvTranspose2d": _CONV_TRANSPOSE,
    "BatchNorm": _BATCHNORM,
    "LeakyReLU": _leaky(r"a\,x", "a"),
    "ReLU": _leaky("0", "0"),
    "Reshape": _SHAPE,
    "Flatten": _SHAPE,
    "Dropout": {
        "forward": [
            Equation(
                "self.stream.dropout_mask_(",
                r"m = \begin{cases} 0 & \text{with probability } p \\ \frac{1}{1 - p} & "
                r"\text{otherwise} \end{cases}",
            ),
            Equation("self.ops.multiply(x, cache.mask", r"y = x \cdot m"),
        ],
        "backward": [Equation("dL/dx = dy m", rf"{DX} = {DY} \cdot m")],
        "double_backward": [Equation("dP/d(dy) = v m", rf"{DDY} = v \cdot m")],
    },
    "Tanh": {
        "forward": [Equation("self.ops.tanh(", r"y = \tanh x")],
        "backward": [Equation("dL/dx = dy (1 - y^2)", rf"{DX} = {DY}\,(1 - y^2)")],
        "double_backward": [
            Equation("dP/d(dy) = v (1 - y^2)", rf"{DDY} = v\,(1 - y^2)"),
            Equation(
                "dP/dx = v dy (-2 y) (1 - y^2)",
                rf"{_d('P', 'x')} = v\,{DOWN}\,(-2 y)\,(1 - y^2)",
            ),
        ],
    },
    "Sigmoid": {
        "forward": [Equation("self.ops.sigmoid(", r"y = \frac{1}{1 + e^{-x}}")],
        "backward": [
            Equation(
                "dL/dx = dy e / (1 + e)^2",
                rf"{DX} = {DY}\,\frac{{e}}{{(1 + e)^2}}\,,\quad e = e^{{-|x|}}",
            )
        ],
        "double_backward": [
            Equation("dP/d(dy) = v y'", rf"{DDY} = v\,y'"),
            Equation("dP/dx = v dy y''", rf"{_d('P', 'x')} = v\,{DOWN}\,y''"),
        ],
    },
    "Adam": {
        "step": [
            Equation(
                "self._ops.adam_step_(",
                r"\begin{aligned} m_t &= \beta_1 m_{t-1} + (1 - \beta_1)\,g \\ "
                r"v_t &= \beta_2 v_{t-1} + (1 - \beta_2)\,g^2 \\ w &\leftarrow w - \eta\, "
                r"\frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \varepsilon} "
                r"\end{aligned}",
                "η: learning rate, g: gradient, t: step",
            )
        ]
    },
}

# What the step itself computes: losses by the name of the objective's class, and the penalty.
LOSSES = {
    "NonSaturating": (
        r"L_D = -\frac1N \sum_n \big[\log \sigma(D(x_n)) + \log(1 - \sigma(D(G(z_n))))\big]",
        r"L_G = -\frac1N \sum_n \log \sigma(D(G(z_n)))",
    ),
    "Minimax": (
        r"L_D = -\frac1N \sum_n \big[\log \sigma(D(x_n)) + \log(1 - \sigma(D(G(z_n))))\big]",
        r"L_G = \frac1N \sum_n \log(1 - \sigma(D(G(z_n))))",
    ),
    "LeastSquares": (
        r"L_D = \frac{1}{2N} \sum_n \big[(D(x_n) - 1)^2 + D(G(z_n))^2\big]",
        r"L_G = \frac{1}{2N} \sum_n (D(G(z_n)) - 1)^2",
    ),
    "HingeLoss": (
        r"L_D = \frac1N \sum_n \big[\max(0, 1 - D(x_n)) + \max(0, 1 + D(G(z_n)))\big]",
        r"L_G = -\frac1N \sum_n D(G(z_n))",
    ),
    "Wasserstein": (
        r"L_D = \frac1N \sum_n \big[D(G(z_n)) - D(x_n)\big]",
        r"L_G = -\frac1N \sum_n D(G(z_n))",
    ),
    "Relativistic": (
        r"L_D = \frac1N \sum_n \log\!\big(1 + e^{-(D(x_n) - D(G(z_n)))}\big)",
        r"L_G = \frac1N \sum_n \log\!\big(1 + e^{-(D(G(z_n)) - D(x_n))}\big)",
    ),
}
PENALTIES = {
    "ZeroCentered": r"P = \frac{\gamma}{2N} \sum_n \Big\| \frac{\partial D}{\partial x_n} \Big\|^2",
    "OneCentered": r"P = \frac{\lambda}{N} \sum_n \Big( \Big\| \frac{\partial D}{\partial x_n} "
    r"\Big\| - 1 \Big)^2",
}

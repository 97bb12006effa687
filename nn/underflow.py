"""Underflow to 0 is silent, whatever `numpy.seterr` says.

The tail of an exponential, the gradient of a confident discriminator and the squared small
gradients in Adam all fade below the smallest float, as they should. A program that sets
under="raise" for its own arithmetic can still train. What underflows in one primitive reaches any
other, so `quiet` wraps whole passes through networks, losses and optimizer steps: around every
primitive it would cost 4% of a step of mlp-dropout; here its cost is not measurable. A layer
outside a `Sequential` is not covered.
"""

import numpy as np

quiet = np.errstate(under="ignore")  # a decorator

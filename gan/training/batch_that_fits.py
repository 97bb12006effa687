"""What to train with where the device's memory is too small for a batch."""

from nn.errors import DeviceMemoryError


def batch_that_fits(run_step, batch_size, unit):
    """The largest of batch_size / 2, / 4, ... for which run_step(n) finds memory, or None.

    run_step(n): takes all memory of a step of n images, and gives it back. unit: what a batch size is a multiple of.
    """
    n = batch_size // 2 // unit * unit
    while n:
        try:
            run_step(n)
            return n
        except DeviceMemoryError:
            n = n // 2 // unit * unit
    return None

"""How a turn is timed: on a GPU by events that the device itself notes down between a step's kernels."""

import time


class WallClock:
    """On the CPU."""

    now = staticmethod(time.perf_counter)

    def milliseconds(self, began, ended):
        return (ended - began) * 1e3


class CupyClock:
    """On a GPU, of our steps."""

    def now(self):
        import cupy

        event = cupy.cuda.Event()
        event.record()
        return event

    def milliseconds(self, began, ended):
        import cupy

        ended.synchronize()
        return cupy.cuda.get_elapsed_time(began, ended)


class TorchClock:
    """On a GPU, of PyTorch's."""

    def now(self):
        import torch

        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def milliseconds(self, began, ended):
        ended.synchronize()
        return began.elapsed_time(ended)


def clock_of(side, device="cpu"):
    if device != "cuda":
        return WallClock()
    return CupyClock() if side == "ours" else TorchClock()

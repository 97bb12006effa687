"""Clocks: on a GPU, events that the device records between kernels."""

from __future__ import annotations

import time
from typing import Any, Protocol


class Clock(Protocol):
    """Returns a time, and the milliseconds between two of them."""

    def now(self) -> Any: ...
    def milliseconds(self, began: Any, ended: Any) -> float: ...


class WallClock:
    """For the CPU."""

    def now(self) -> float:
        return time.perf_counter()

    def milliseconds(self, began: float, ended: float) -> float:
        return (ended - began) * 1e3


class CupyClock:
    """For our steps on a GPU."""

    def now(self) -> Any:
        import cupy

        event = cupy.cuda.Event()
        event.record()
        return event

    def milliseconds(self, began: Any, ended: Any) -> float:
        import cupy

        ended.synchronize()
        return cupy.cuda.get_elapsed_time(began, ended)


class TorchClock:
    """For PyTorch's steps on a GPU."""

    def now(self) -> Any:
        import torch

        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def milliseconds(self, began: Any, ended: Any) -> float:
        ended.synchronize()
        return began.elapsed_time(ended)


def clock_of(contender: str, device: str = "cpu") -> Clock:
    """The clock for a contender on a device."""
    if device != "cuda":
        return WallClock()
    return CupyClock() if contender == "ours" else TorchClock()

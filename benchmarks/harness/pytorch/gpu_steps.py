"""PyTorch's two ways to launch kernels at lower cost: CUDA graphs, and `torch.compile`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness.pytorch.tuned_steps import Tuned
from gan.recipes import Recipe

WARM_UP = 3  # steps on a side stream before a capture, as PyTorch's manual requires


def set_precision(tf32: bool) -> None:
    """Use TF32 for products and convolutions, or float32; PyTorch's default mixes both."""
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32


class Graphed(Tuned):
    """The tuned step captured into CUDA graphs and replayed: one with the penalty, one without.

    A graph contains addresses, so the indices of each batch are copied into the same array.
    """

    def __init__(self, recipe: Recipe, images: np.ndarray, device: str = "cuda") -> None:
        super().__init__(recipe, images, device)
        self.indices = torch.zeros(self.n, dtype=torch.int64, device=device)
        self.every = recipe.penalty.every if recipe.penalty else 1
        self.graphs: list[Any] = []
        self.replays = 0
        side_stream = torch.cuda.Stream()
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for number in range(self.every + WARM_UP):
                self.eager_step(number)
        torch.cuda.current_stream().wait_stream(side_stream)
        for number in range(min(self.every, 2)):  # step 0 has the penalty, step 1 does not
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self.eager_step(number)
            self.graphs.append(graph)

    def adam_options(self) -> dict[str, Any]:
        return {"fused": True, "capturable": True}

    def eager_step(self, number: int) -> None:
        """The tuned step, with the penalty if it is due in step `number`."""
        self.count = number - 1
        super().__call__()

    def next_indices(self) -> Tensor:
        return self.indices

    def __call__(self) -> None:  # type: ignore[override]  # a replay returns no losses
        self.indices.copy_(super().next_indices())
        self.graphs[min(self.replays % self.every, len(self.graphs) - 1)].replay()
        self.replays += 1


class Compiled(Tuned):
    """The tuned step on networks compiled with mode "reduce-overhead", which captures graphs.

    The penalty uses D uncompiled: compiled code cannot be differentiated twice.
    """

    def __init__(self, recipe: Recipe, images: np.ndarray, device: str = "cuda") -> None:
        super().__init__(recipe, images, device)
        self.plain_D = self.D
        self.G, self.compiled_D = (
            torch.compile(net, mode="reduce-overhead") for net in (self.G, self.D)
        )
        self.D = self.compiled_D

    def penalty(self, real: Tensor, fake: Tensor) -> Tensor | float:
        self.D = self.plain_D
        try:
            return super().penalty(real, fake)
        finally:
            self.D = self.compiled_D

    def __call__(self) -> tuple[Tensor, Tensor]:
        torch.compiler.cudagraph_mark_step_begin()
        return super().__call__()

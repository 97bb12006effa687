"""PyTorch's two ways around the cost of launching kernels: CUDA graphs, captured by hand, and `torch.compile`."""

import torch

from benchmarks.harness.pytorch.eager_steps import Tuned

WARM_UP = 3  # steps on a stream of their own before a capture, as PyTorch's manual wants them


def set_precision(tf32):
    """Products and convolutions in TF32, or all in float32, which is not PyTorch's own choice for convolutions."""
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32


class Graphed(Tuned):
    """The tuned step captured into CUDA graphs, and replayed: one with the penalty where there is one, and one without.

    A graph holds addresses, so that which images come next goes into one and the same array before each replay.
    """

    def __init__(self, recipe, images, device="cuda"):
        super().__init__(recipe, images, device)
        self.next = torch.zeros(self.n, dtype=torch.int64, device=device)
        self.every, self.graphs, self.number = recipe.penalty.every if recipe.penalty else 1, [], 0
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for number in range(self.every + WARM_UP):
                self.step_number(number)
        torch.cuda.current_stream().wait_stream(side)
        for number in range(min(self.every, 2)):  # the first has the penalty, the second has not
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self.step_number(number)
            self.graphs.append(graph)

    def adam_options(self):
        return {"fused": True, "capturable": True}

    def step_number(self, number):
        """The tuned step, with the penalty if it is the number's turn."""
        self.count = number - 1
        super().__call__()

    def draw(self):
        return self.next

    def __call__(self):
        self.next.copy_(super().draw())
        self.graphs[min(self.number % self.every, len(self.graphs) - 1)].replay()
        self.number += 1


class Compiled(Tuned):
    """The tuned step on networks that `torch.compile(mode="reduce-overhead")` has compiled, which captures graphs by itself.

    The penalty goes through D as it is: what is compiled cannot be differentiated twice.
    """

    def __init__(self, recipe, images, device="cuda"):
        super().__init__(recipe, images, device)
        self.plain_D = self.D
        self.G, self.fast_D = (torch.compile(net, mode="reduce-overhead") for net in (self.G, self.D))
        self.D = self.fast_D

    def penalty(self, real, fake):
        self.D = self.plain_D
        try:
            return super().penalty(real, fake)
        finally:
            self.D = self.fast_D

    def __call__(self):
        torch.compiler.cudagraph_mark_step_begin()
        super().__call__()

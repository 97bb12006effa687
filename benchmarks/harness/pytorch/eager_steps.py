"""A recipe's training step in PyTorch: eager, as the projects that the recipes come from write it, tuned by hand, and compiled.

On a GPU (torch_on_gpu.py has what is there only) all that a step needs lies there, too.
"""

import copy
import os

import torch
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits, one_hot

from benchmarks.harness.pytorch.networks import peer_of
from gan.objectives.objectives import NonSaturating
from gan.objectives.penalties import ZeroCentered
from gan.errors import RunError
from nn import Sigmoid


class Eager:
    """The step as a tutorial has it, with default settings everywhere.

    Real and generated images go through D one after the other, labels are made anew, the generated batch is detached for
    D's update, and G's loss is backpropagated through D, whose own gradients are computed and thrown away. What the
    projects do beside that is left out in PyTorch's favour: no DataLoader (batches are gathered from a float tensor in
    memory, in a random order), no losses read by `.item()`, no noise made by NumPy and converted, and no generator that
    D's loss is backpropagated into for want of a `detach`.
    """

    def __init__(self, recipe, images, device="cpu"):
        torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
        torch.manual_seed(0)
        if type(recipe.objective) is not NonSaturating or not isinstance(recipe.penalty, ZeroCentered | None):
            raise RunError(f"{recipe.name}: its objective or penalty has no PyTorch side in benchmarks/harness/pytorch/eager_steps.py")
        generator, discriminator = recipe.generator().build(0), recipe.discriminator().build(1)
        image_shape = generator.output_shape((recipe.n_in,))
        self.recipe, self.n, self.device = recipe, recipe.batch_size, device
        self.G = peer_of(generator, (recipe.n_in,)).to(device)
        self.D = peer_of(discriminator, image_shape).to(device)
        kinds = torch.arange(len(images), device=device) % max(recipe.num_classes, 1)
        self.kinds = one_hot(kinds, max(recipe.num_classes, 1)).float()  # of each image
        self.on_probabilities = isinstance(discriminator[-1], Sigmoid)
        self.has_batchnorm = any(leaf.statistic_shapes for _, leaf in discriminator.modules())
        low, high = recipe.image_range
        pixels = torch.from_numpy(images).to(device).reshape(len(images), *image_shape)
        self.images = pixels.float() * ((high - low) / 255) + low
        self.order, self.place = torch.randperm(len(images), device=device), 0
        adam = {"lr": recipe.learning_rate, "betas": (recipe.beta1, recipe.beta2), **self.adam_options()}
        self.g_optimizer = torch.optim.Adam(self.G.parameters(), **adam)
        self.d_optimizer = torch.optim.Adam(self.D.parameters(), **adam)
        self.average = copy.deepcopy(self.G) if recipe.ema_decay else None
        self.count = -1

    def penalty(self, real, fake):
        """R1, R2 or both, where it is their turn, else 0: autograd differentiates its own backward pass."""
        setting = self.recipe.penalty
        self.count += 1
        if not setting or self.count % setting.every:
            return 0.0
        total = 0.0
        for x in [real] * setting.real + [fake] * setting.fake:
            x = x.detach().requires_grad_()
            (g,) = torch.autograd.grad(self.judged(x).sum(), x, create_graph=True)
            total = total + g.square().flatten(1).sum(1).mean()
        return total * (setting.gamma * setting.every / 2)

    @torch.no_grad()
    def follow(self):
        """The moving average of G, where the recipe has one."""
        if self.average:
            for ours, its in ((self.average.parameters(), self.G.parameters()), (self.average.buffers(), self.G.buffers())):
                floats = [pair for pair in zip(ours, its) if pair[0].is_floating_point()]
                torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - self.recipe.ema_decay)

    def adam_options(self):
        return {}

    def noise(self):
        size = (self.n, self.recipe.latent.size)
        if self.recipe.latent.distribution == "normal":
            z = torch.randn(size, device=self.device)
        else:
            z = torch.rand(size, device=self.device) * 2 - 1
        return torch.cat([z, self.asked], dim=1) if self.recipe.num_classes else z

    def draw(self):
        """Which images come next."""
        if self.place + self.n > len(self.order):
            self.order, self.place = torch.randperm(len(self.images), device=self.device), 0
        self.place += self.n
        return self.order[self.place - self.n : self.place]

    def batch(self):
        drawn = self.draw()
        if self.recipe.num_classes:
            self.asked = self.kinds[drawn]
        return self.images[drawn]

    def judged(self, x):
        """D's logit for each image; where there are kinds, the one for the kind that is asked."""
        y = self.D(x)
        return (y * self.asked.repeat(len(x) // self.n, 1)).sum(dim=1, keepdim=True) if self.recipe.num_classes else y

    def loss(self, output, target):
        labels = torch.full_like(output, target)
        return (binary_cross_entropy if self.on_probabilities else binary_cross_entropy_with_logits)(output, labels)

    def __call__(self):
        objective, real = self.recipe.objective, self.batch()

        self.d_optimizer.zero_grad()
        real_loss = self.loss(self.judged(real), objective.real_target)
        fake = self.G(self.noise())
        fake_loss = self.loss(self.judged(fake.detach()), 0.0)
        d_loss = (real_loss + fake_loss) * objective.weight + self.penalty(real, fake)
        d_loss.backward()
        self.d_optimizer.step()

        self.g_optimizer.zero_grad()
        if self.recipe.fresh_noise:
            fake = self.G(self.noise())
        g_loss = self.loss(self.judged(fake), 1.0)
        g_loss.backward()
        self.g_optimizer.step()
        self.follow()
        return d_loss, g_loss


class Tuned(Eager):
    """The same step with what PyTorch offers a careful user, short of compiling it.

    No graph for the generated images that D learns from; real and generated ones in one pass where D has no batch norm;
    D frozen in G's update; Adam fused into one kernel; labels made once; gradients freed instead of zeroed.
    """

    def __init__(self, recipe, images, device="cpu"):
        super().__init__(recipe, images, device)
        self.ones = torch.ones(self.n, 1, device=device)
        self.d_labels = torch.cat([self.ones * recipe.objective.real_target, 0 * self.ones])

    def adam_options(self):
        return {"fused": True}

    def loss(self, output, labels):
        return (binary_cross_entropy if self.on_probabilities else binary_cross_entropy_with_logits)(output, labels)

    def judge_both(self, real, fake):
        """D's loss, but for the penalty."""
        weight = self.recipe.objective.weight
        if self.has_batchnorm:
            real_loss, fake_loss = (
                self.loss(self.judged(x), labels) for x, labels in zip((real, fake), self.d_labels.split(self.n))
            )
            return (real_loss + fake_loss) * weight
        return self.loss(self.judged(torch.cat([real, fake])), self.d_labels) * (2 * weight)  # a mean over twice as many

    def judge_fake(self, fake):
        """G's loss."""
        return self.loss(self.judged(fake), self.ones)

    def __call__(self):
        real = self.batch()

        self.d_optimizer.zero_grad(set_to_none=True)
        with torch.set_grad_enabled(not self.recipe.fresh_noise):  # else G learns from these very images
            made = self.G(self.noise())
        fake = made.detach()
        d_loss = self.judge_both(real, fake) + self.penalty(real, fake)
        d_loss.backward()
        self.d_optimizer.step()

        self.D.requires_grad_(False)
        self.g_optimizer.zero_grad(set_to_none=True)
        g_loss = self.judge_fake(self.G(self.noise()) if self.recipe.fresh_noise else made)
        g_loss.backward()
        self.g_optimizer.step()
        self.D.requires_grad_(True)
        self.follow()
        return d_loss, g_loss


class Compiled(Tuned):
    """The tuned step with G and both losses compiled by `torch.compile`, D and what follows it in one piece.

    D's penalty is left to autograd: what is compiled cannot be differentiated twice.
    """

    def __init__(self, recipe, images, device="cpu"):
        super().__init__(recipe, images, device)
        self.G, self.judge_both, self.judge_fake = (
            torch.compile(part, dynamic=False) for part in (self.G, self.judge_both, self.judge_fake)
        )

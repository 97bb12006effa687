"""Contenders of benchmarks.draw: images from a seed, as floats in [0, 1] on the host."""

from __future__ import annotations

from benchmarks.harness.rounds import Step
from gan.recipes import Recipe, get_recipe
from gan.sampling import AT_ONCE, Sampler


def ours(recipe: Recipe, count: int, device: str = "cpu") -> Step:
    generator = recipe.generator().build(seed=0, device=device)
    n = recipe.num_classes
    sampler = Sampler(
        generator,
        recipe.latent,
        recipe.image_range,
        recipe.classes,
        (1 / n,) * n if recipe.clusters else None,
        clusters_per_image=recipe.clusters_per_image,
    )
    return lambda: sampler.images(sampler.inputs(count, seed=0))


def numpy(recipe: Recipe, count: int) -> Step:
    return ours(recipe, count, "numpy")


def pytorch(recipe: Recipe, count: int) -> Step:
    import torch

    from benchmarks.harness.pytorch.networks import peer_of

    generator = peer_of(recipe.generator().build(seed=0), (recipe.n_in,)).eval()
    low, high = recipe.image_range
    z, n = torch.empty(count, recipe.latent.size), recipe.num_classes
    onehot = torch.nn.functional.one_hot(torch.arange(count) % n, n) if n else z[:, :0]
    onehot = onehot.repeat(1, recipe.clusters_per_image)

    @torch.no_grad()
    def draw() -> object:
        noise = z.normal_() if recipe.latent.distribution == "normal" else z.uniform_(-1, 1)
        parts = [generator(part) for part in torch.cat([noise, onehot], dim=1).split(AT_ONCE)]
        return torch.cat(parts).sub_(low).div_(high - low).clamp_(0, 1).numpy()

    return draw


def make_step(name: str, recipe: str, count: str) -> Step:
    """A contender's call that draws `count` images."""
    contenders = {"ours": ours, "numpy": numpy, "pytorch": pytorch}
    return contenders[name](get_recipe(recipe), int(count))

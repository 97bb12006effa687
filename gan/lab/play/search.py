"""Finding the noise from which a generator makes a given image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.lab.play.generator import PlayedGenerator

CANDIDATES = 1000  # random points, of which the nearest are improved
STARTS = 16  # points that descend together
STEPS = 200
RATE, BETA1, BETA2, EPS = 0.1, 0.9, 0.99, 1e-8  # of Adam
LONGEST = 1.2  # norm of normal noise, in units of the root of its size


@dataclass(frozen=True)
class Found:
    """The best point so far.

    Parameters
    ----------
    z
        float32 (latent.size,).
    label
        Its class or cluster.
    loss
        The mean squared difference from the target, with pixels in [0, 1].
    """

    z: np.ndarray
    label: int
    loss: float


class NoiseSearch:
    """Gradient descent on noise, through the frozen generator.

    The loss is L = mean (G(z) - target)^2. Its gradient dL/dz is the dx of the generator's first
    layer; `grads="skip"` leaves the parameters' gradients out. STARTS of the nearest random images
    descend together by Adam, each in its class, and stay where noise is likely.

    Parameters
    ----------
    played
        The generator.
    target
        uint8 (H, W) or (H, W, 3).
    seed
        Of the random points.

    Attributes
    ----------
    z, labels
        The points, (STARTS, latent.size), and the class or cluster of each.
    step_count
        Steps so far.
    """

    def __init__(self, played: PlayedGenerator, target: np.ndarray, seed: int = 0) -> None:
        self._played, sampler = played, played.sampler
        self._G = sampler.generator
        low, high = sampler.image_range
        pixels = target[None] if target.ndim == 2 else target.transpose(2, 0, 1)
        self._scale = high - low
        self._target = (low + self._scale * pixels.astype(np.float32) / 255).reshape(1, -1)
        z, labels = played.draw(CANDIDATES, seed, None)
        made = played.images(z, labels).astype(np.float32)
        distances = ((made - target) ** 2).reshape(CANDIDATES, -1).sum(axis=1)
        nearest = np.argsort(distances, kind="stable")[:STARTS]
        self.z, self.labels = z[nearest].copy(), labels[nearest]
        self._m, self._v = np.zeros_like(self.z), np.zeros_like(self.z)
        self._cache = self._G.cache(tracks_statistics=False)
        self.step_count = 0

    def loss_and_gradient(self) -> tuple[np.ndarray, np.ndarray]:
        """L of each point, (STARTS,), and dL/dz, (STARTS, latent.size)."""
        ops, size = self._G.ops, self._played.sampler.latent.size
        with np.errstate(all="ignore"):
            y = self._G.forward(self._played.inputs(self.z, self.labels), self._cache)
            difference = ops.to_host(y).reshape(STARTS, -1) - self._target
            loss = (difference**2).mean(axis=1) / self._scale**2
            # dL/dy = 2 (y - target) / pixels
            dy = (difference * (2 / difference.shape[1] / self._scale**2)).astype(self._G.dtype)
            dx = self._G.backward(ops.asarray(dy.reshape(y.shape)), self._cache, grads="skip")
        return loss, np.array(ops.to_host(dx)[:, :size])

    def step(self) -> Found:
        """One step of Adam for each point; returns the best as it was before."""
        loss, g = self.loss_and_gradient()
        best = int(np.nanargmin(loss)) if np.isfinite(loss).any() else 0
        found = Found(self.z[best].copy(), int(self.labels[best]), float(loss[best]))
        self.step_count += 1
        t = self.step_count
        self._m += (1 - BETA1) * (g - self._m)
        self._v += (1 - BETA2) * (g * g - self._v)
        rate = RATE * (1 + math.cos(math.pi * min(t / STEPS, 1))) / 2
        m, v = self._m / (1 - BETA1**t), self._v / (1 - BETA2**t)
        self.z -= (rate * m / (np.sqrt(v) + EPS)).astype(self.z.dtype)
        self._stay_likely()
        return found

    @property
    def is_done(self) -> bool:
        """Whether all STEPS are done."""
        return self.step_count >= STEPS

    def _stay_likely(self) -> None:
        """Move points back to where the latent's noise is."""
        latent = self._played.sampler.latent
        if latent.distribution == "uniform":
            np.clip(self.z, -1, 1, out=self.z)
            return
        norms = np.linalg.norm(self.z, axis=1, keepdims=True)
        self.z *= np.minimum(1, LONGEST * math.sqrt(latent.size) / np.maximum(norms, 1e-12))

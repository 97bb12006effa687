"""What D and G are trained for: each objective gives losses and gradients on D's logits."""

from dataclasses import dataclass

from nn import BCEWithLogits


@dataclass(frozen=True)
class NonSaturating:
    """D maximises log D(x) + log(1 - D(G(z))), G maximises log D(G(z)). Source: Goodfellow et al. 2014, section 3.

    As losses: L_D = weight (BCE(D(x), real_target) + BCE(D(G(z)), 0)) and L_G = BCE(D(G(z)), 1). real_target: below 1
    for one-sided label smoothing (Salimans et al. 2016). weight: 0.5 makes L_D the mean of its two parts.
    """

    real_target: float = 1.0
    weight: float = 1.0
    loss = BCEWithLogits()

    def real(self, logits, cache, **out):
        """D's loss on training images, its value in out["value"] and its gradient in out["dy"]."""
        return self.loss(logits, self.real_target, cache, weight=self.weight, **out)

    def fake(self, logits, cache, **out):
        """D's loss on generated images."""
        return self.loss(logits, 0.0, cache, weight=self.weight, **out)

    def generator(self, logits, cache, **out):
        """G's loss on what D says of its images."""
        return self.loss(logits, 1.0, cache, **out)

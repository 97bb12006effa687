"""The chapters of a step: which events belong together, and what happens there in words."""

from __future__ import annotations

from dataclasses import dataclass

from gan.training.step.watching import D_UPDATE, G_UPDATE, PENALTY
from nn.watching import Event


@dataclass(frozen=True)
class Chapter:
    """Events that belong together.

    Parameters
    ----------
    title
        In the list of chapters.
    way
        "forward", "backward", "loss" or "update".
    text
        What happens.
    """

    title: str
    way: str
    text: str


BATCH = Chapter(
    "Batch",
    "forward",
    "The training images of this step, as D sees them, and their classes if there are any.",
)
CHAPTERS: dict[tuple[str, str], Chapter] = {
    (D_UPDATE, "G.forward"): Chapter(
        "G draws",
        "forward",
        "Noise goes through G, layer by layer, and comes out as images. In D’s update they are "
        "only data: nothing goes back through G.",
    ),
    (D_UPDATE, "D.forward"): Chapter(
        "D scores",
        "forward",
        "D gives each image a logit; above 0 means real. Without batch norm, real and generated "
        "images go through D together.",
    ),
    (D_UPDATE, "loss"): Chapter(
        "D’s loss",
        "loss",
        "The loss, and its gradient at each logit: by how much the loss would rise if that logit "
        "rose by 1.",
    ),
    (D_UPDATE, "D.backward"): Chapter(
        "Back through D",
        "backward",
        "The gradient goes down through D. Each layer turns ∂L/∂y into ∂L/∂x for the layer below, "
        "and leaves the gradients of its own parameters. Nobody needs the gradient of the training "
        "images, so the first layer computes none.",
    ),
    (PENALTY, "D.backward"): Chapter(
        "Penalty: D’s slope",
        "backward",
        "D goes backward once more, frozen and from a gradient of 1 at each logit. What comes out "
        "below is g = ∂D/∂x, D’s slope at each image: where it is large, a small change of a pixel "
        "changes D’s opinion a lot. The penalty is large where g is long.",
    ),
    (PENALTY, "D.double_backward"): Chapter(
        "Penalty: its own backward",
        "backward",
        "The penalty depends on D’s parameters through that backward pass, so its gradient is the "
        "backward pass of a backward pass. It goes up through D, and each layer adds to the "
        "gradients that the loss has left.",
    ),
    (PENALTY, "D.forward"): Chapter(
        "Penalty: D scores",
        "forward",
        "This penalty takes images of its own, between real and generated ones.",
    ),
    (D_UPDATE, "step"): Chapter(
        "Adam moves D",
        "update",
        "Each parameter moves against its gradient, divided by the size that its gradients usually "
        "have.",
    ),
    (G_UPDATE, "G.forward"): Chapter(
        "G draws again",
        "forward",
        "New noise, new images, for G’s own update.",
    ),
    (G_UPDATE, "D.forward"): Chapter(
        "D scores again",
        "forward",
        "The updated D scores the generated images.",
    ),
    (G_UPDATE, "loss"): Chapter(
        "G’s loss",
        "loss",
        "G wants D to call its images real. How much gradient it gets depends on the loss: look at "
        "what happens where D is certain.",
    ),
    (G_UPDATE, "D.backward"): Chapter(
        "Back through frozen D",
        "backward",
        "The gradient passes D to reach G. D is frozen: its layers compute ∂L/∂x and no gradients "
        "of their parameters, and what D’s own update has left there stays. Batch norm still uses "
        "the batch’s statistics, and dropout its masks: frozen is not evaluation mode.",
    ),
    (G_UPDATE, "G.backward"): Chapter(
        "Back through G",
        "backward",
        "At the top, ∂L/∂y says for each pixel how it should change for D to find the image more "
        "real. G’s layers turn it into gradients of their parameters.",
    ),
    (G_UPDATE, "step"): Chapter("Adam moves G", "update", "As for D, with G’s own moments."),
}
AVERAGE = Chapter(
    "Moving average",
    "update",
    "The generator that is sampled and saved follows G slowly.",
)


def chapter_of(event: Event) -> Chapter:
    """The chapter of an event of a step."""
    stage = event.within[0] if event.within else ""
    if event.what in ("batch", "average"):
        return BATCH if event.what == "batch" else AVERAGE
    if PENALTY in event.within or event.what == "penalty":
        passes = [name for name in event.within if (PENALTY, name) in CHAPTERS]
        return CHAPTERS[PENALTY, passes[-1] if passes else "D.double_backward"]
    if event.what in ("discriminator_loss", "generator_loss"):
        return CHAPTERS[stage, "loss"]
    if event.what in ("noise", "step"):
        return CHAPTERS[stage, "G.forward" if event.what == "noise" else "step"]
    return CHAPTERS[stage, next(name for name in event.within if (stage, name) in CHAPTERS)]

"""What the page may ask of a generator, and the answers."""

from __future__ import annotations

from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.errors import RunError
from gan.lab.answers import Answer, Handler
from gan.lab.listing import Listing
from gan.lab.messages import Message
from gan.lab.play.files import gif, png
from gan.lab.play.generator import PlayedGenerator
from gan.lab.play.studio import Played, Studio

MOST_IMAGES = 100  # drawn at once
MOST_POINTS = 8  # of a walk
MOST_STEPS = 60  # between two of them
MOST_CLASSES = 300  # pictured in the picker
MOST_NUMBERS = 20_000_000  # pixels and colours in one answer
Z_BOUND = 100.0  # of a number of z
MAP_SIDE, MAP_REACH = 7, 3.0  # images along each side of the pad, and where it ends
NEAREST = 4  # training images


class PlayRequests:
    """Answers the requests of the view "Play".

    Parameters
    ----------
    listing
        What may be opened.
    studio
        Opens it.
    """

    def __init__(self, listing: Listing, studio: Studio) -> None:
        self.listing, self.studio = listing, studio

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handler of each kind of message."""
        return {
            "weights": self.weights,
            "open": self.open,
            "draw": self.draw,
            "images": self.images,
            "look": self.look,
            "map": self.map,
            "walk": self.walk,
            "png": self.png,
            "gif": self.gif,
        }

    def weights(self, message: Message) -> Answer:
        """The weights files to choose from."""
        files = self.listing.weights()
        return Answer({"weights": [{"name": k, "title": f.title} for k, f in files.items()]})

    def open(self, message: Message) -> Answer:
        """What the page needs to know of a generator, with a picture of each class."""
        played = self.played(message)
        generator, sampler = played.generator, played.generator.sampler
        condition, size = sampler.condition, sampler.latent.size
        pictured = condition.typical(MOST_CLASSES)
        middle = np.zeros((max(len(pictured), 1), size), np.float32)
        about = generator.description
        fields = {
            "latent": size,
            "distribution": sampler.latent.distribution,
            "classes": sampler.classes or condition.num_classes,
            "labelled": bool(sampler.classes),
            "class_names": list(sampler.names),
            "clusters": condition.num_classes,
            "per_image": condition.per_image,
            "numbers": pictured.tolist(),
            "pictured": len(pictured),
            "logits": generator.discriminator is not None,
            "digits": generator.are_digits,
            "recipe": about.recipe,
            "steps": about.training.get("steps_done"),
            "dataset": about.training.get("dataset"),
        }
        arrays = {
            "axes": played.directions.axes,
            "shares": played.directions.shares,
            "classes": generator.images(middle, pictured if len(pictured) else np.zeros(1, int)),
        }
        return Answer(fields, arrays)

    def draw(self, message: Message) -> Answer:
        """New images, with their noise and classes."""
        played = self.played(message).generator
        count = message.whole("count", 1, MOST_IMAGES)
        label = self.label(message, played) if message.optional("label") else None
        truncation = message.number("truncation", 0, 2)
        z, labels = played.draw(count, message.whole("seed", 0, 2**31), label)
        images = played.images(z * np.float32(truncation), labels)
        return Answer({"labels": labels.tolist()}, {"z": z.astype(np.float32), "images": images})

    def images(self, message: Message) -> Answer:
        """The images of given points."""
        played = self.played(message).generator
        return Answer({}, {"images": played.images(*self.points(message, played, MOST_IMAGES))})

    def look(self, message: Message) -> Answer:
        """One image, what D and the classifier say of it, and the training images nearest to it."""
        played = self.played(message)
        generator = played.generator
        z, labels = self.points(message, generator, 1)
        image, logit = generator.image_and_logit(z, int(labels[0]))
        arrays = {"image": image}
        if generator.are_digits:
            arrays["probabilities"] = self.studio.digit_probabilities(image)
        fields: dict[str, Any] = {"logit": logit}
        if (neighbours := played.neighbours) is None:
            fields["why_no_neighbours"] = played.why_no_neighbours
        else:
            nearest, distances = neighbours.nearest(image, NEAREST)
            arrays["nearest"] = neighbours.images[nearest]
            fields |= {"distances": distances.tolist(), "indices": nearest.tolist()}
            fields |= {"among": len(neighbours), "data": played.data_name}
            fields["between_real"] = neighbours.distance_to_nearest(int(nearest[0]))
        return Answer(fields, arrays)

    def map(self, message: Message) -> Answer:
        """Images around a point, along two of the directions: rows from the top, y falling."""
        played = self.played(message)
        z, labels = self.points(message, played.generator, 1)
        axes = played.directions.axes
        across, up = (message.whole(name, 0, len(axes) - 1) for name in ("x", "y"))
        if across == up:
            raise RunError("map: expected two directions, got one; choose another for y")
        x, y = axes[across], axes[up]
        truncation = message.number("truncation", 0, 2)
        at = np.linspace(-MAP_REACH, MAP_REACH, MAP_SIDE, dtype=np.float32)
        rest = z[0] - (z[0] @ x) * x - (z[0] @ y) * y
        points = np.stack([rest + a * x + b * y for b in at[::-1] for a in at])
        images = played.generator.images(
            points * np.float32(truncation), labels.repeat(len(points))
        )
        return Answer({"side": MAP_SIDE, "reach": MAP_REACH}, {"images": images})

    def walk(self, message: Message) -> Answer:
        """The images of a closed walk through points."""
        return Answer({}, {"images": self._walk(message)})

    def png(self, message: Message) -> Answer:
        """A PNG of given points."""
        played = self.played(message).generator
        content = png(played.images(*self.points(message, played, MOST_IMAGES)))
        return Answer({}, {"file": np.frombuffer(content, np.uint8)})

    def gif(self, message: Message) -> Answer:
        """A GIF of a closed walk."""
        return Answer({}, {"file": np.frombuffer(gif(self._walk(message)), np.uint8)})

    def _walk(self, message: Message) -> np.ndarray:
        played = self.played(message).generator
        z, labels = self.points(message, played, MOST_POINTS)
        if len(z) < 2:
            raise RunError("walk: expected two points or more, got one; add another image")
        steps = message.whole("steps", 1, MOST_STEPS)
        pixels = int(np.prod(played.sampler.made_shape))
        return played.walk(z, labels, max(1, min(steps, MOST_NUMBERS // (pixels * len(z)))))

    def played(self, message: Message) -> Played:
        """The generator that a message names."""
        return self.studio.open(message.text("weights", 1000))

    def label(self, message: Message, played: PlayedGenerator) -> int:
        """The class, or without classes the cluster, in a message."""
        sampler = played.sampler
        return message.whole("label", 0, max((sampler.classes or sampler.condition.count) - 1, 0))

    def points(
        self, message: Message, played: PlayedGenerator, most: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The noise (N, latent.size) and classes (N,) in a message."""
        z = message.numbers("z", (-1, played.sampler.latent.size), Z_BOUND)
        if not 1 <= len(z) <= most:
            raise RunError(f"z: expected 1 to {most} points, got {len(z)}; reload the page")
        most_label = max(played.sampler.condition.count - 1, 0)
        return z, message.wholes("labels", len(z), 0, most_label)

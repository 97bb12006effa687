"""The search for an image's noise, while the page watches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.lab.answers import Answer
from gan.lab.messages import Message, encode
from gan.lab.play.play_requests import PlayRequests
from gan.lab.play.search import STEPS, NoiseSearch
from nn import ByhandError

SHOW_EVERY = 0.04  # seconds from one image to the next

Show = Callable[[str, bytes], object]


class Finding:
    """One page's search; a new one ends the one before.

    Parameters
    ----------
    requests
        Open the generator.
    show
        Called as show(name, message) from the search's thread.
    """

    def __init__(self, requests: PlayRequests, show: Show) -> None:
        self._requests, self._show = requests, show
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, message: Message) -> Answer:
        """Begin to look for the noise of the image in a message."""
        self.stop()
        played = self._requests.played(message).generator
        channels, height, width = played.sampler.made_shape
        shape = (height, width) if channels == 1 else (height, width, channels)
        target = message.numbers("image", shape, 255)
        pixels = np.rint(np.maximum(target, 0)).astype(np.uint8)
        self._stopped = stopped = threading.Event()

        def search() -> None:
            try:
                self._search(NoiseSearch(played, pixels), stopped, played.images)
            except ByhandError as problem:
                self._show("found", encode("found", {"error": str(problem)}, {}))

        self._thread = threading.Thread(target=search, daemon=True)
        self._thread.start()
        return Answer({"steps": STEPS})

    def stop(self, message: Message | None = None) -> Answer:
        """End the search, if there is one, and wait for its end."""
        self._stopped.set()
        if self._thread:
            self._thread.join()
        return Answer()

    def _search(
        self,
        search: NoiseSearch,
        stopped: threading.Event,
        images: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> None:
        """Descend, and show the best image again and again, and at the end."""
        losses = [(best := search.step()).loss]
        shown = -inf

        def show(done: bool) -> None:
            image = images(best.z[None], np.array([best.label]))[0]
            fields = {"step": search.step_count, "label": best.label, "loss": best.loss}
            arrays = {"image": image, "z": best.z, "losses": np.array(losses, np.float32)}
            self._show("found", encode("found", {"done": done, **fields}, arrays))

        while not (search.is_done or stopped.is_set()):
            found = search.step()
            losses.append(found.loss)
            best = min(best, found, key=lambda each: each.loss)
            if time.monotonic() - shown >= SHOW_EVERY:
                show(False)
                shown = time.monotonic()
        show(True)

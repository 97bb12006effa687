"""Images that do not fit on the device: each batch goes there while the step before it runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from nn.ops.base import Array

SHARE = 0.75  # of the free memory of a device, that images may take; networks need the rest


def fit_on_device(n_bytes: int, ops: Any) -> bool:
    """Whether images of this many bytes may lie on the device; on the CPU always."""
    free = ops.free_bytes()
    return free is None or n_bytes <= SHARE * free


class Feed:
    """Batches of images from the memory of the host.

    Two transfers take turns: while the device computes on one batch, the next is on its way. The
    bytes are those of images that lie on the device.

    Parameters
    ----------
    images : uint8 (N, D), on the host, which nobody else changes
    batch_size : 1..N
    ops : the backend
    """

    def __init__(self, images: np.ndarray, batch_size: int, ops: Any) -> None:
        self.images, self.batch_size, self.ops = images, batch_size, ops
        self.index = ops.asarray(np.arange(batch_size))
        self._transfers = [ops.staging((batch_size, images.shape[1]), "uint8") for _ in range(2)]
        self._order: np.ndarray | None = None  # on the host
        self._sent: int | None = None  # the place of the last batch that was sent

    def __reduce__(self) -> Any:
        return Feed, (self.images, self.batch_size, self.ops)

    def forget_order(self) -> None:
        """Call this before the order on the device is changed."""
        self._order = None

    def batch(self, place: int, order: Array) -> Array:
        """The images of a batch, uint8 (batch_size, D), on the device; also sends the next batch.

        They are valid until the next call but one.

        Parameters
        ----------
        place : of the batch in the order, from 0
        order : integers (n,), on the device; it is read if `forget_order` has been called
        """
        if self._order is None:
            self._order, self._sent = self.ops.to_host(order), None
        if self._sent != place:
            self._send(place)
        images = self._transfers[place % 2].receive()
        if (place + 2) * self.batch_size <= len(self._order):
            self._send(place + 1)
        return images

    def _send(self, place: int) -> None:
        """Collect a batch, and start its transfer."""
        assert self._order is not None
        rows = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        transfer = self._transfers[place % 2]
        np.take(self.images, rows, axis=0, out=transfer.begin(), mode="clip")  # raise would copy
        transfer.send()
        self._sent = place

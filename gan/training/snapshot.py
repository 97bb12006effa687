"""A state of training to go back to."""

from gan.training.uncopyable import Uncopyable


class Snapshot(Uncopyable):
    """Copies of buffers on one device, and the number of the step that they were copied after."""

    def __init__(self, ops, buffers):
        self._ops, self._buffers, self.step = ops, buffers, 0
        self._copies = [ops.asarray(ops.to_host(buffer)) for buffer in buffers]

    def keep(self, step):
        self.step = step
        for copy, buffer in zip(self._copies, self._buffers):
            self._ops.copy_(copy, buffer)

    def restore(self):
        for copy, buffer in zip(self._copies, self._buffers):
            self._ops.copy_(buffer, copy)

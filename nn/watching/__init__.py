"""Watch a step from outside: what goes into and out of each layer, in order.

    events = watch(step, G, D, d_optimizer, g_optimizer)

While `step()` runs, the methods of the watched objects are replaced, on these objects alone, by
ones that copy the arrays as they pass, since the step uses its buffers again. No layer knows of it,
and the step computes the same bytes.
"""

from nn.watching.event import Event
from nn.watching.watcher import Watcher, watch

__all__ = ["Event", "Watcher", "watch"]

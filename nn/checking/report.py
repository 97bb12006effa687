"""What a gradient check found, and how it is printed."""

from dataclasses import dataclass

from nn.checking.pullback import Comparison


@dataclass(frozen=True)
class Entry(Comparison):
    """The comparison of one array: a layer's input, or one of its parameters."""

    where: str
    train: bool  # in which mode

    @property
    def verdict(self):
        if self.wrong:
            return f"WRONG in {'training' if self.train else 'evaluation'}"
        return "" if self.settled else "too flat, or at a kink: not settled"


class Report:
    """What `gradcheck` found: print it, or ``assert report.ok, report``.

    entries: of the gradients. second: of the derivatives of double_backward. mistakes: a sentence for each broken promise of
    the layer protocol. kinks: {layer: how many of its outputs lie at a kink or a tie}; they were compared at a point nearby.
    """

    def __init__(self, tolerance):
        self.tolerance = tolerance
        self.mistakes, self.kinks = [], {}
        self._entries, self._second = {}, {}

    @property
    def entries(self):
        return tuple(self._entries.values())

    @property
    def second(self):
        return tuple(self._second.values())

    @property
    def failed(self):
        """The names of the layers and parameters whose gradient is wrong, and the mistakes."""
        return [entry.where for entry in self.entries + self.second if entry.wrong] + self.mistakes

    @property
    def ok(self):
        return not self.failed

    @property
    def worst(self):
        """The largest relative error."""
        return max((entry.error for entry in self.entries + self.second), default=0.0)

    def add(self, entry, second=False):
        """Keep it, unless an entry of that name says more: that it is wrong, or settled."""
        entries = self._second if second else self._entries
        held = entries.setdefault(entry.where, entry)
        if (entry.wrong, entry.settled) > (held.wrong, held.settled):
            entries[entry.where] = entry

    def __str__(self):
        rows = [*self.entries, *(entry for entry in self.second if entry.verdict)]
        width = max([len("gradient of"), *(len(entry.where) for entry in rows)])
        lines = [f"{'gradient of':<{width}}  {'by hand':>14}  {'numeric':>14}  {'error':>7}  {'allowed':>7}"]
        for e in rows:
            numbers = f"{e.by_hand:14.7e}  {e.numeric:14.7e}  {e.error:7.1e}  {e.allowed:7.1e}"
            lines.append(f"{e.where:<{width}}  {numbers}  {e.verdict}".rstrip())
        if self.second:
            right = sum(not entry.wrong for entry in self.second)
            lines.append(f"double_backward: {right} of {len(self.second)} derivatives are right")
        lines += [f"{layer}: {n} outputs lie at a kink or a tie; compared nearby" for layer, n in self.kinks.items()]
        return "\n".join(lines + self.mistakes)

"""The report of a gradient check."""

from dataclasses import dataclass

from nn.checking.pullback import Comparison


@dataclass(frozen=True)
class Entry(Comparison):
    """The comparison for one array: a layer's input, or one of its parameters.

    Attributes
    ----------
    where : str
        Such as "Dense 'net.0' W".
    train : bool
        The mode it was compared in.
    """

    where: str
    train: bool

    @property
    def verdict(self) -> str:
        """What the table shows beside it; nothing if it is right."""
        if self.wrong:
            return f"WRONG in {'training' if self.train else 'evaluation'}"
        return "" if self.conclusive else "inconclusive: too flat, or at a kink"


class Report:
    """What `gradcheck` found: print it, or ``assert report.ok, report``.

    Attributes
    ----------
    entries : tuple of Entry
        The gradients.
    second_order : tuple of Entry
        The derivatives that `double_backward` computes.
    violations : list of str
        A message for each violated rule of the layer protocol.
    kinks : dict of str to int
        The number of outputs of each layer that lie at a kink or a tie; these were compared at a
        point nearby.
    tolerance : float
    """

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self.violations: list[str] = []
        self.kinks: dict[str, int] = {}
        self._entries: dict[str, Entry] = {}
        self._second_order: dict[str, Entry] = {}

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries.values())

    @property
    def second_order(self) -> tuple[Entry, ...]:
        return tuple(self._second_order.values())

    @property
    def failed(self) -> list[str]:
        """The names of the wrong gradients, and the violations."""
        wrong = [entry.where for entry in self.entries + self.second_order if entry.wrong]
        return wrong + self.violations

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failed

    @property
    def worst(self) -> float:
        """The largest relative error."""
        return max((entry.error for entry in self.entries + self.second_order), default=0.0)

    def add(self, entry: Entry, *, second_order: bool = False) -> None:
        """Add an entry; of two with one name, keep the one that outranks the other."""
        entries = self._second_order if second_order else self._entries
        held = entries.setdefault(entry.where, entry)
        if entry.outranks(held):
            entries[entry.where] = entry

    def __str__(self) -> str:
        rows = [*self.entries, *(entry for entry in self.second_order if entry.verdict)]
        width = max([len("gradient of"), *(len(entry.where) for entry in rows)])
        head = f"{'by hand':>14}  {'numeric':>14}  {'error':>7}  {'allowed':>7}"
        lines = [f"{'gradient of':<{width}}  {head}"]
        for e in rows:
            numbers = f"{e.by_hand:14.7e}  {e.numeric:14.7e}  {e.error:7.1e}  {e.allowed:7.1e}"
            lines.append(f"{e.where:<{width}}  {numbers}  {e.verdict}".rstrip())
        if self.second_order:
            right = sum(not entry.wrong for entry in self.second_order)
            lines.append(
                f"double_backward: {right} of {len(self.second_order)} derivatives are right"
            )
        for layer, n in self.kinks.items():
            lines.append(f"{layer}: {n} outputs lie at a kink or a tie; compared nearby")
        return "\n".join(lines + self.violations)

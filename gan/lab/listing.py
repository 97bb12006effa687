"""The weights, runs and data that the page may choose from; it can open nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gan.errors import RunError

MOST_RUNS = 200  # the latest
DRAWN = "drawn-points"  # the folder of points that pages drew, in that of the runs
MOST_DRAWN = 200
WEIGHTS = {"weights.npz": "latest", "best.npz": "best by FID"}  # files of a run


@dataclass(frozen=True)
class WeightsFile:
    """A weights file to play with.

    Parameters
    ----------
    title
        What the page calls it.
    path
        The file.
    run
        The folder of its run, or None.
    """

    title: str
    path: Path
    run: Path | None = None


class Listing:
    """Finds weights and runs, by the names that the page knows them by.

    Parameters
    ----------
    shipped
        The weights that come with the package, by title.
    runs
        The folder of runs, which need not exist.
    data
        The user's own images and points.
    """

    def __init__(self, shipped: Mapping[str, Path], runs: Path, data: Iterable[Path] = ()) -> None:
        self._shipped, self.folder, self._data = dict(shipped), runs, list(data)

    @property
    def drawn(self) -> Path:
        """The folder of drawn points, which need not exist."""
        return self.folder / DRAWN

    def data(self) -> dict[str, Path]:
        """The user's own data by name, then the points that pages drew, the latest first."""
        names = [path.name for path in self._data]
        own = {path.name if names.count(path.name) == 1 else str(path): path for path in self._data}
        try:
            drawn = [path for path in self.drawn.glob("*.csv") if not path.is_symlink()]
            drawn.sort(key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
        except OSError:
            return own
        return own | {f"{DRAWN}/{path.name}": path for path in drawn[:MOST_DRAWN]}

    def data_path(self, name: str) -> Path:
        """The data of that name; `RunError` unless they are listed."""
        if name not in (known := self.data()):
            raise RunError(
                f"data: expected one of the {len(known)} listed, got {name!r:.80}; start the lab "
                "with --data PATH"
            )
        return known[name]

    def runs(self) -> dict[str, Path]:
        """The folders of runs by name, the latest first. Links are left out."""
        try:
            folders = [
                path
                for path in self.folder.iterdir()
                if not path.is_symlink() and (path / "config.json").is_file()
            ]
            folders.sort(key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
        except OSError:
            return {}
        return {path.name: path for path in folders[:MOST_RUNS]}

    def weights(self) -> dict[str, WeightsFile]:
        """The weights files by name: the shipped ones, then those of runs."""
        found = {
            f"package/{path.name}": WeightsFile(title, path)
            for title, path in self._shipped.items()
        }
        for name, folder in self.runs().items():
            for file, what in WEIGHTS.items():
                if (folder / file).is_file():
                    key = f"{self.folder.name}/{name}/{file}"
                    found[key] = WeightsFile(f"{name}, {what}", folder / file, folder)
        return found

    def weights_file(self, name: str) -> WeightsFile:
        """The weights file of that name; `RunError` unless it is listed."""
        if name not in (known := self.weights()):
            raise RunError(
                f"weights: expected one of the {len(known)} listed files, got {name!r:.80}; "
                "reload the page"
            )
        return known[name]

    def run(self, name: str) -> Path:
        """The folder of the run of that name; `RunError` unless it is listed."""
        if name not in (known := self.runs()):
            raise RunError(
                f"run: expected one of the {len(known)} listed runs, got {name!r:.80}; reload the "
                "page"
            )
        return known[name]

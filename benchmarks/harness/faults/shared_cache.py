"""Runs that start together with one empty cache folder."""

from __future__ import annotations

import threading
import time
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.harness.faults.runs import OPTIONS, Ended, Runs
from gan.data.locations import sample_folder

DELAY = 2  # seconds until the mirror answers; all runs request the files before any has them
USE_MIRROR = """
from dataclasses import replace
from gan.data import sources
sample = sources.SOURCES["mnist-sample"]
sources.SOURCES["mnist-sample"] = replace(sample, mirrors=({url!r},), bundled=False)
"""


def together(folder: str | Path, count: int) -> tuple[int, int, str]:
    """`count` runs that fetch the sample from a mirror on this machine at the same time."""
    runs, sample, requests = Runs(folder), sample_folder(), []
    cache, outs = runs.folder / "cache", [f"run-{k}" for k in range(count)]

    class Mirror(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(DELAY)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            requests.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Mirror, directory=sample)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        before = USE_MIRROR.format(url=f"http://127.0.0.1:{server.server_port}/")
        started = [
            runs.start(out, *OPTIONS, "--data-dir", str(cache), "--out", out, before=before)
            for out in outs
        ]
        ends = [runs.end(process) for process in started]
        server.shutdown()
    survived = sum(end == Ended(0, "") and runs.equals_whole(out) for end, out in zip(ends, outs))
    files = list((cache / "mnist-sample").iterdir())
    intact = all(is_copy(path, sample / path.name) for path in files)
    return (
        count,
        survived if intact else 0,
        f"{len(files)} files in the cache, {'all' if intact else 'NOT all'} whole; "
        f"{len(requests)} fetched",
    )


def is_copy(path: Path, original: Path) -> bool:
    return original.is_file() and digest(path) == digest(original)


def digest(path: Path) -> bytes:
    return sha256(path.read_bytes()).digest()

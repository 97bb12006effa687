"""Fetching a file from the first mirror that provides it.

pooch downloads to a temporary name, checks the hash, then moves the file into place. An
interrupted fetch leaves nothing under the final name. Two processes that fetch the same file each
move a verified file into place; whichever is last, the content is right.

Two things are ours because pooch has no counterpart: the list of mirrors, and `ConnectionProbe`,
which gives all mirrors one deadline (the timeouts of pooch and requests bound neither a name
look-up nor a name with many addresses).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gan.errors import DataError

CONNECT_SECONDS = 3  # for one address of a mirror; a name may have several
READ_SECONDS = 10  # for the next bytes of a mirror that has answered
CHUNK = 1 << 16  # bytes; with pooch's default of 1,024 the loop would take most of the time
PORTS = {"http": 80, "https": 443}
SOCKS_PORT = 1080  # of a proxy that is neither


class FetchError(DataError):
    """No mirror provides the file; `reasons` says why, mirror by mirror."""

    def __init__(self, message: str, reasons: str) -> None:
        super().__init__(message)
        self.reasons = reasons


class Unreachable(Exception):
    """No connection reaches the mirror."""


class Mirrors:
    """The mirrors of a data set, in order of preference, for the files of one `load`.

    Nothing is retried: a mirror that cannot be reached, or stops sending, is not asked for
    another file.

    Parameters
    ----------
    urls
        Base addresses, each ending in a slash.
    timeout
        Seconds to wait for a connection, and for the next bytes.
    quiet
        Whether to hide the progress bar.
    """

    def __init__(
        self,
        urls: Iterable[str],
        *,
        timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
        quiet: bool = False,
    ) -> None:
        self.urls, self.timeout, self.quiet = tuple(urls), timeout, quiet
        self.unreachable: dict[str, str] = {}  # address -> reason
        self._probes: dict[str, ConnectionProbe] = {}
        self._deadline = 0.0

    def fetch(self, name: str, sha256: str, folder: Path) -> Path:
        """Fetch a file into `folder`, replacing what has its name there.

        Parameters
        ----------
        name
            The file's name, below a mirror's address and in the folder.
        sha256
            The hexadecimal hash that its content must have.
        folder
            Created if necessary.

        Returns
        -------
        Path
            Where the file is.

        Raises
        ------
        FetchError
            If no mirror provides content with this hash.
        DataError
            If the folder cannot be written.
        """
        import requests  # slow to import, and reading data that is already there does not need it

        failures = []
        for url in self.urls:
            try:
                self._connect(url)
                return self._download(url, name, sha256, folder)
            except (Unreachable, requests.RequestException, ValueError) as error:
                reason = describe(error)
                if isinstance(error, (Unreachable, requests.ConnectionError, requests.Timeout)):
                    self.unreachable[url] = reason
                failures.append(f"{urlsplit(url).netloc}: {reason}")
            except (
                OSError
            ) as error:  # after requests' errors, which are OSErrors too: this one is the disk's
                raise DataError(
                    f"{folder}: expected a writable folder to fetch {name} into, got "
                    f"{error.strerror or error}; choose another with --data-dir or BYHAND_DATA_DIR"
                ) from error
        reasons = "; ".join(failures) or "this data set has no mirrors"
        raise FetchError(
            f"{folder / name}: expected the file there or from a mirror, got neither ({reasons}); "
            "put the data set's four .gz files there, or name the folder that holds them with "
            "--data-dir",
            reasons,
        )

    def _connect(self, url: str) -> None:
        """Raise `Unreachable` unless the host accepts a connection; all are probed at once."""
        if url in self.unreachable:
            raise Unreachable(self.unreachable[url])
        if not self._probes:
            self._probes = {each: ConnectionProbe(each, self.timeout[0]) for each in self.urls}
            self._deadline = time.monotonic() + 2 * self.timeout[0]  # enough for a second address
        probe = self._probes[url]
        probe.join(max(0, self._deadline - time.monotonic()))
        if probe.error:
            raise Unreachable(probe.error)

    def _download(self, url: str, name: str, sha256: str, folder: Path) -> Path:
        import pooch
        from tqdm import tqdm

        log = pooch.get_logger()
        level = log.level
        log.setLevel("ERROR")
        try:
            with tqdm(
                desc=name, total=1, unit="B", unit_scale=True, leave=False, disable=self.quiet
            ) as bar:
                downloader = pooch.HTTPDownloader(  # it sets bar.total
                    progressbar=bar,
                    chunk_size=CHUNK,
                    timeout=self.timeout,
                    hooks={"response": keep_compressed},
                )
                path = pooch.retrieve(
                    url + name, "sha256:" + sha256, fname=name, path=folder, downloader=downloader
                )
        finally:
            log.setLevel(level)
        with suppress(PermissionError):  # another user's process was faster
            os.chmod(path, 0o644)  # pooch leaves it private to its owner; a cache may be shared
        return Path(path)


class ConnectionProbe(threading.Thread):
    """Opens and closes a connection to where a request for `url` would go.

    `error` is None once that has worked. A daemon thread: a name look-up that hangs delays
    neither the load nor the end of the program.
    """

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(daemon=True)
        self.url, self.timeout = url, timeout
        self.error: str | None = "no answer"
        self.start()

    def run(self) -> None:
        from requests.utils import get_environ_proxies, select_proxy

        target = urlsplit(select_proxy(self.url, get_environ_proxies(self.url)) or self.url)
        port = target.port or PORTS.get(target.scheme, SOCKS_PORT)
        try:
            socket.create_connection((target.hostname, port), timeout=self.timeout).close()
            self.error = None
        except OSError as error:
            self.error = (error.strerror or str(error)).lower()


def keep_compressed(response: Any, **_: Any) -> None:
    """Keep a .gz file packed: requests would unpack what a server labels as encoded."""
    response.raw.headers.pop("content-encoding", None)


def describe(error: Exception) -> str:
    """Why a fetch failed, in two or three words."""
    if isinstance(error, Unreachable):
        return str(error)
    response = getattr(error, "response", None)
    if response is not None:
        return f"status {response.status_code}"
    if isinstance(error, OSError):  # as requests' own errors are
        return f"connection failed ({type(error).__name__})"
    return "wrong content"  # pooch's ValueError: the SHA-256 does not match

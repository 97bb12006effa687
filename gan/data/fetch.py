"""Fetching a file from the first mirror that provides it.

pooch downloads to a temporary name, checks the hash, then moves the file into place. An
interrupted fetch leaves nothing under the final name. Two processes that fetch the same file each
move a verified file into place.

Two things are our own because pooch has no counterpart: the list of mirrors, and one deadline for
connecting to all of them; see `gan.data.probe`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gan.data.probe import ConnectionProbe
from gan.errors import DataError

CONNECT_SECONDS = 3  # for one address of a mirror; a name may have several
READ_SECONDS = 10  # for the next bytes of a mirror that has answered
CHUNK = 1 << 16  # bytes; with pooch's default of 1,024 the loop would take most of the time


class FetchError(DataError):
    """No mirror provides the file; `reasons` says why, mirror by mirror."""

    def __init__(self, message: str, reasons: str) -> None:
        super().__init__(message)
        self.reasons = reasons


class Unreachable(Exception):
    """A mirror accepts no connection."""


class Mirrors:
    """The mirrors of a data set, in order of preference, for the files of one `load`.

    Nothing is retried: a mirror that cannot be reached or stops sending is skipped for all later
    files.

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

    def fetch(self, name: str, digest: str, folder: Path) -> Path:
        """Fetch a file into `folder`, replacing any file of its name.

        Parameters
        ----------
        name
            The file's name in the folder, and at the mirrors after the base address.
        digest
            The hexadecimal SHA-256 that its content must have, or another hash as "md5:HASH".
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
        import requests  # slow to import, and not needed to read cached data

        failures = []
        for url in self.urls:
            try:
                self._connect(url)
                return self._download(url, name, digest, folder)
            except (Unreachable, requests.RequestException, ValueError) as error:
                reason = describe(error)
                if isinstance(error, (Unreachable, requests.ConnectionError, requests.Timeout)):
                    self.unreachable[url] = reason
                failures.append(f"{urlsplit(url).netloc}: {reason}")
            except OSError as error:  # of the disk: those of requests are caught above
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
        """Raise `Unreachable` unless the host accepts a connection; probes all hosts at once."""
        if url in self.unreachable:
            raise Unreachable(self.unreachable[url])
        if not self._probes:
            self._probes = {each: ConnectionProbe(each, self.timeout[0]) for each in self.urls}
            self._deadline = time.monotonic() + 2 * self.timeout[0]  # time for a second address
        probe = self._probes[url]
        probe.join(max(0, self._deadline - time.monotonic()))
        if probe.error:
            raise Unreachable(probe.error)

    def _download(self, url: str, name: str, digest: str, folder: Path) -> Path:
        """Let pooch fetch the file from one mirror."""
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
                    url + name, digest, fname=name, path=folder, downloader=downloader
                )
        finally:
            log.setLevel(level)
        with suppress(PermissionError):  # another user's process moved its file there first
            os.chmod(path, 0o644)  # pooch makes it private to its owner; a cache may be shared
        return Path(path)


def keep_compressed(response: Any, **_: Any) -> None:
    """Keep a .gz file packed: requests would unpack a file that a server labels as encoded."""
    response.raw.headers.pop("content-encoding", None)


def describe(error: Exception) -> str:
    """The reason for a failed fetch, in two or three words."""
    if isinstance(error, Unreachable):
        return str(error)
    response = getattr(error, "response", None)
    if response is not None:
        return f"status {response.status_code}"
    if isinstance(error, OSError):  # as requests' own errors are
        return f"connection failed ({type(error).__name__})"
    return "wrong content"  # pooch's ValueError: the hash does not match

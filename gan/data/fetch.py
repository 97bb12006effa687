"""One file from the first mirror that gives it: pooch downloads to a temporary name, checks the hash, then moves.

A fetch interrupted at any point leaves nothing under the final name, and two processes that fetch the same file each
move a verified file into place: whichever is last, the file is right.
"""

import os
import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

from gan.errors import DataError

CONNECT_SECONDS = 3  # for one address of a mirror; a name may have several
READ_SECONDS = 10  # for a mirror that has answered to send its next bytes
CHUNK = 1 << 16  # pooch's 1,024 bytes would spend the time in the loop


class FetchError(DataError):
    """No mirror gave the file; `reasons` says why, mirror by mirror."""

    def __init__(self, message, reasons):
        super().__init__(message)
        self.reasons = reasons


class Mirrors:
    """The mirrors of one data set, in order of preference, for the files of one load.

    urls: base addresses, each ending in a slash. timeout: (seconds to connect, seconds to wait for bytes).
    A mirror that cannot be reached, or falls silent, is not asked for another file. Nothing is ever retried.
    """

    def __init__(self, urls, *, timeout=(CONNECT_SECONDS, READ_SECONDS), quiet=False):
        self.urls, self.timeout, self.quiet = tuple(urls), timeout, quiet
        self.unreachable = {}  # address -> why
        self._knocks = None

    def fetch(self, name, sha256, folder):
        """Fetch the file `name` into `folder` under that name, replacing what is there. -> its path.

        Errors: FetchError if no mirror gave bytes with this SHA-256; DataError if `folder` cannot be written.
        """
        import requests  # here, not above: reading data that is already there should not wait for these

        reasons = []
        for url in self.urls:
            try:
                self._reach(url)
                return self._download(url, name, sha256, folder)
            except (_Unreachable, requests.RequestException, ValueError) as error:
                why = _why(error)
                if isinstance(error, (_Unreachable, requests.ConnectionError, requests.Timeout)):
                    self.unreachable[url] = why
                reasons.append(f"{urlsplit(url).netloc}: {why}")
            except OSError as error:  # after requests' errors, which are OSErrors too: this one is the disk's
                raise DataError(
                    f"{folder}: expected a folder that can be written, to fetch {name} into, got "
                    f"{error.strerror or error}; choose another with --data-dir or BYHAND_DATA_DIR"
                ) from error
        reasons = "; ".join(reasons) or "it has none"
        raise FetchError(
            f"{os.path.join(folder, name)}: expected the file there or from a mirror, got neither "
            f"({reasons}); put the data set's four .gz files there, or name the folder that holds them "
            "with --data-dir",
            reasons,
        )

    def _reach(self, url):
        """Raise _Unreachable unless the mirror's host takes a connection; all hosts are tried at once, in one deadline.

        Without this, a network that swallows packets costs the connect timeout for each of a name's addresses, and one
        that swallows name look-ups costs the resolver's own timeout, which nothing bounds.
        """
        if url in self.unreachable:
            raise _Unreachable(self.unreachable[url])
        if self._knocks is None:
            self._knocks = {each: _Knock(each, self.timeout[0]) for each in self.urls}
            self._deadline = time.monotonic() + 2 * self.timeout[0]  # so that a second address gets its chance
        knock = self._knocks[url]
        knock.join(max(0, self._deadline - time.monotonic()))
        if knock.error:
            raise _Unreachable(knock.error)

    def _download(self, url, name, sha256, folder):
        import pooch
        from tqdm import tqdm

        log = pooch.get_logger()
        level = log.level
        log.setLevel("ERROR")
        try:
            with tqdm(desc=name, total=1, unit="B", unit_scale=True, leave=False, disable=self.quiet) as bar:
                downloader = pooch.HTTPDownloader(
                    progressbar=bar, chunk_size=CHUNK, timeout=self.timeout, hooks={"response": _as_sent}
                )  # pooch sets bar.total
                path = pooch.retrieve(url + name, "sha256:" + sha256, fname=name, path=folder, downloader=downloader)
        finally:
            log.setLevel(level)
        with suppress(PermissionError):  # another user's process was faster
            os.chmod(path, 0o644)  # temporary files are their owner's alone; a cache may be shared
        return path


class _Unreachable(Exception):
    """A mirror that no connection reaches; says why."""


class _Knock(threading.Thread):
    """Open and close one connection to where a request for `url` would go; `error` is None once that has worked.

    A daemon: a name look-up that hangs must hold up neither the load nor the end of the program.
    """

    def __init__(self, url, timeout):
        super().__init__(daemon=True)
        self.url, self.timeout, self.error = url, timeout, "no answer"
        self.start()

    def run(self):
        from requests.utils import get_environ_proxies, select_proxy

        target = urlsplit(select_proxy(self.url, get_environ_proxies(self.url)) or self.url)
        port = target.port or {"http": 80, "https": 443}.get(target.scheme, 1080)
        try:
            socket.create_connection((target.hostname, port), timeout=self.timeout).close()
            self.error = None
        except OSError as error:
            self.error = (error.strerror or str(error)).lower()


def _as_sent(response, **_):
    """Keep the bytes as the server holds them: some label a .gz file as an encoding, and requests would unpack it."""
    response.raw.headers.pop("content-encoding", None)


def _why(error):
    """A failed try, in two or three words."""
    if isinstance(error, _Unreachable):
        return str(error)
    if getattr(error, "response", None) is not None:
        return f"status {error.response.status_code}"
    if isinstance(error, OSError):  # as requests' own errors are
        return f"connection failed ({type(error).__name__})"
    return "wrong bytes"  # pooch's ValueError: the SHA-256 does not match

"""Probing whether a host accepts a connection, within a deadline.

Threads, because no timeout of pooch or requests bounds a name look-up, or a name with many
addresses.
"""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
SOCKS_PORT = 1080  # of a proxy with another scheme


class ConnectionProbe(threading.Thread):
    """Opens and closes a connection to the host, or its proxy, that a request for `url` goes to.

    A daemon thread, so that a name look-up that hangs delays neither its maker nor the end of the
    program.

    Parameters
    ----------
    url
        Any address of the host.
    timeout
        Seconds to wait for one of the host's addresses.

    Attributes
    ----------
    error
        Why there is no connection, or None once there was one.
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

"""The model hub: tried when it can be reached, and not for a minute when it cannot."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from urllib.parse import urlsplit
from urllib.request import getproxies

#: Seconds that a connection may take, and for which its outcome is believed.
PATIENCE, BELIEF = 4.0, 60.0


@contextmanager
def hub_access(needed: bool = True) -> Iterator[None]:
    """Let models be loaded by name: from the hub, or only from its cache on disk while the hub cannot be reached.

    The hub's own client tries every file of a model six times before it gives up, which takes minutes without a
    network. Where it is not `needed` (a local folder, random weights) nothing is tried.
    """
    from huggingface_hub import constants

    offline = constants.HF_HUB_OFFLINE
    if needed and not offline and not _reachable(constants.ENDPOINT, int(time.monotonic() / BELIEF)):
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline


@cache
def _reachable(endpoint: str, _minute: int) -> bool:
    """Tell whether the hub answers; behind a proxy only the proxy knows, so it is taken to."""
    place = urlsplit(endpoint)
    if place.scheme in getproxies() or "all" in getproxies():
        return True
    found: list[bool] = []

    def connect() -> None:
        try:
            port = place.port or (80 if place.scheme == "http" else 443)
            socket.create_connection((place.hostname or "", port), PATIENCE).close()
            found.append(True)
        except OSError:
            pass

    asking = threading.Thread(target=connect, daemon=True)  # looking up a name knows no limit of time
    asking.start()
    asking.join(PATIENCE)
    return bool(found)

"""URLs of API servers."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Whether the server is on this machine. Clients reach it without a proxy, whatever the environment says."""
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")

"""Where the Kubernetes API is and who we are to it, from a kubeconfig file; for everything that connects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from dualstack.model.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Connection:
    """The current context of a kubeconfig. Paths are absolute, data is base64 as in the file."""

    server: str
    insecure: bool = False
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    token: str | None = None
    username: str | None = None
    password: str | None = None
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None

    @property
    def is_loopback(self) -> bool:
        """A server on this machine, which is never behind a proxy whatever the environment says."""
        return urlsplit(self.server).hostname in ("127.0.0.1", "::1", "localhost")


def read_connection(path: Path | str) -> Connection:
    """The connection of the file's current context; InvalidInput says what is wrong with the file."""
    file = Path(path).expanduser()
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"kubeconfig {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"kubeconfig {path}: not YAML: {' '.join(str(error).split())}") from error
    try:
        return _connection(config, file)
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"kubeconfig {path}: incomplete: {error}") from error


def _connection(config: Any, file: Path) -> Connection:
    name = config.get("current-context")
    context = _named(config["contexts"], "context", name, file)
    cluster = _named(config["clusters"], "cluster", context["cluster"], file)
    user = _named(config.get("users") or (), "user", context["user"], file) if context.get("user") else {}
    for method in ("exec", "auth-provider"):
        if method in user:
            raise InvalidInput(f"kubeconfig {file}: user {context['user']}: {method} is not supported")
    return Connection(
        server=cluster["server"],
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        certificate_authority=_absolute(cluster.get("certificate-authority"), file),
        certificate_authority_data=cluster.get("certificate-authority-data"),
        token=user.get("token") or _content(user.get("tokenFile"), file),
        username=user.get("username"),
        password=user.get("password"),
        client_certificate=_absolute(user.get("client-certificate"), file),
        client_certificate_data=user.get("client-certificate-data"),
        client_key=_absolute(user.get("client-key"), file),
        client_key_data=user.get("client-key-data"),
    )


def _named(entries: Iterable[Any], key: str, name: Any, file: Path) -> Any:
    found = next((entry[key] for entry in entries if entry["name"] == name), None)
    if found is None:
        raise InvalidInput(f'kubeconfig {file}: has no {key} "{name or ""}"')
    return found


def _absolute(path: str | None, file: Path) -> str | None:
    return str(file.parent / path) if path else None


def _content(path: str | None, file: Path) -> str | None:
    if not path:
        return None
    try:
        return (file.parent / path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InvalidInput(f"kubeconfig {file}: tokenFile {path}: {error.strerror}") from error

"""Finds the Kubernetes API and the credentials for it, as kubectl does. lightkube reads the files.

lightkube reads token files again when the API server answers 401; exec plugins are those of
`dualstack.kube.plugin_auth`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
import yaml
from lightkube.config.kubeconfig import SERVICE_ACCOUNT, KubeConfig, SingleConfig
from lightkube.config.models import Cluster, NameValue, User
from lightkube.core.exceptions import ConfigError

from dualstack.kube import exec_plugin
from dualstack.model.errors import InvalidInput


class ReachedCluster(Cluster):
    """A cluster with the fields that lightkube does not know; empty when the kubeconfig has none."""

    server: str = ""
    tls_server_name: str = msgspec.field(name="tls-server-name", default="")
    proxy_url: str = msgspec.field(name="proxy-url", default="")


PLUGIN_SECONDS = 60.0
"""Wall seconds after which an exec plugin counts as hanging."""


def find_connection(
    path: Path | None = None, *, context: str | None = None, service_account: str = SERVICE_ACCOUNT
) -> SingleConfig:
    """The context of the kubeconfig file `path`: the current one, or the one that is named.

    Without a path: of the files in $KUBECONFIG, merged; else of ~/.kube/config if it exists; else the service account
    of the pod. Raises InvalidInput.
    """
    variable, default = os.environ.get("KUBECONFIG", ""), Path(os.environ.get("HOME") or "/", ".kube", "config")
    if path is not None:
        return _choose([path], f"kubeconfig {path}", context)
    if variable:
        files = [Path(name) for name in variable.split(os.pathsep) if name]
        existing = [file for file in files if file.exists()]
        return _choose(existing or files[:1], f"kubeconfig $KUBECONFIG={variable}", context)
    if default.exists():
        return _choose([default], f"kubeconfig {default}", context)
    if context is not None:
        raise InvalidInput(f"--context {context}: there is no kubeconfig; pass --kubeconfig FILE")
    if is_in_pod():
        try:
            return _usable(KubeConfig.from_service_account(service_account))
        except (ConfigError, OSError, KeyError) as error:
            raise InvalidInput(f"service account of the pod in {service_account}: {error}") from error
    raise InvalidInput(
        f"no kubeconfig: --kubeconfig and $KUBECONFIG are not set, {default} does not exist, and this is not a pod; "
        "pass --kubeconfig FILE"
    )


def connection_from(kubeconfig: str, source: str, *, token: str | None = None) -> SingleConfig:
    """The current context of a kubeconfig that is not a file, with `token` instead of what its user has, if given.

    source: what it is, for messages. InvalidInput if it cannot be used. It comes from another user, so it may neither
    run a program nor read a file of this machine.
    """
    config, ignored = _parse(lambda: kubeconfig, source)
    name = config.current_context or ""
    if name not in config.contexts:
        raise InvalidInput(f"{source}: its current context {name!r} is not defined")
    context = config.contexts[name]
    if context.cluster not in config.clusters:
        raise InvalidInput(f"{source}: cluster {context.cluster!r} of its current context is not defined")
    if token is not None:
        config.users = {context.user or "": User(token=token)}
    user, cluster = config.users.get(context.user or "") or User(), config.clusters[context.cluster]
    outside = {
        "exec": user.exec,
        "auth-provider": user.auth_provider,
        "tokenFile": user.token_file,
        "client-certificate": user.client_cert,
        "client-key": user.client_key,
        "certificate-authority": cluster.certificate_auth,
        "proxy-url": getattr(cluster, "proxy_url", ""),
        **({} if token else dict.fromkeys(ignored.get(context.user or "", ()), True)),
    }
    if found := [field for field, value in outside.items() if value]:
        raise InvalidInput(
            f"{source}: {', '.join(found)} is not supported here; use a token, or data in the kubeconfig"
        )
    return SingleConfig(context_name=name, context=context, cluster=cluster, user=user)


def is_in_pod() -> bool:
    """Whether this process runs in a pod of Kubernetes."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


def _choose(files: list[Path], source: str, context: str | None) -> SingleConfig:
    """The first file that defines a name, or the current context, wins, as in kubectl."""
    merged = KubeConfig(clusters={}, contexts={}, users={})
    ignored: dict[str, list[str]] = {}
    for file in files:
        config, ignored_here = _read(file.expanduser())
        ignored = ignored_here | ignored
        merged.clusters = config.clusters | merged.clusters
        merged.contexts = config.contexts | merged.contexts
        merged.users = config.users | merged.users
        merged.current_context = merged.current_context or config.current_context or None
    if context is not None:
        merged.current_context = context
    if merged.current_context is None:
        raise InvalidInput(f"{source}: has no current context; set one with `kubectl config use-context NAME`")
    try:
        found = _usable(merged)
    except ConfigError as error:
        known = ", ".join(sorted(merged.contexts)) or "none"
        raise InvalidInput(f"{source}: {error}; it defines these contexts: {known}") from error
    except KeyError as error:
        raise InvalidInput(
            f"{source}: context {merged.current_context!r} names the cluster or user {error}, which is not defined"
        ) from error
    name = found.context.user or ""
    if fields := ignored.get(name):
        words = "is not supported; pass a kubeconfig without it"
        raise InvalidInput(f"{source}: user {name!r}: {', '.join(fields)} {words}")
    return found


_IGNORED = ("as", "as-uid", "as-groups", "as-user-extra")
"""Fields of users that lightkube ignores although they change the user."""


def _read(file: Path) -> tuple[KubeConfig, dict[str, list[str]]]:
    """The file's content, and the ignored fields by user.

    Relative paths in the file are relative to its folder. An empty file is an empty kubeconfig.
    """
    command = f"; check it with `kubectl config view --kubeconfig {file}`"
    config, ignored = _parse(lambda: file.read_text(encoding="utf-8"), f"kubeconfig {file}", command)
    for entry, names in (
        *((cluster, ("certificate_auth",)) for cluster in config.clusters.values()),
        *((user, ("client_cert", "client_key", "token_file")) for user in config.users.values()),
        *((user.exec, ("command",)) for user in config.users.values() if user.exec and os.sep in user.exec.command),
    ):
        for name in names:
            value = getattr(entry, name)
            setattr(entry, name, str(file.absolute().parent / value) if value else None)
    return config, ignored


def _parse(read: Callable[[], str], source: str, command: str = "") -> tuple[KubeConfig, dict[str, list[str]]]:
    """The content, and the ignored fields by user. command: how to check it, for messages."""
    try:
        content = yaml.safe_load(read()) or {}
        lists = {
            f"{kind}s": [{**entry, kind: entry.get(kind) or {}} for entry in content.get(f"{kind}s") or []]
            for kind in ("cluster", "context", "user")
        }
        config = KubeConfig.from_dict({**content, **lists})
        config.clusters = {
            entry["name"]: msgspec.convert(entry["cluster"], ReachedCluster) for entry in lists["clusters"]
        }
        ignored = {
            entry["name"]: found
            for entry in lists["users"]
            if (found := [name for name in _IGNORED if entry["user"].get(name)])
        }
    except OSError as error:
        raise InvalidInput(f"{source}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{source}: not YAML: {' '.join(str(error).split())}") from error
    except (AttributeError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise InvalidInput(f"{source}: not a kubeconfig: {error}{command}") from error
    if (kind := content.get("kind", "Config")) != "Config":
        raise InvalidInput(f"{source}: not a kubeconfig: its kind is {kind}{command}")
    return config, ignored


def _usable(config: KubeConfig) -> SingleConfig:
    """The current context. An exec plugin learns its version from $KUBERNETES_EXEC_INFO, and its time is limited."""
    found = cast(SingleConfig, config.get())
    user = found.user or User()
    if user.auth_provider:
        raise InvalidInput(f"kubeconfig: user {found.context.user!r}: auth-provider is obsolete; use an exec plugin")
    if (user.client_cert or user.client_cert_data) and not (user.client_key or user.client_key_data):
        raise InvalidInput(f"kubeconfig: user {found.context.user!r}: its client certificate has no client-key")
    user.token = user.token or None
    if user.exec:
        info = {"apiVersion": user.exec.apiVersion, "kind": "ExecCredential", "spec": {"interactive": False}}
        user.exec.env = [*(user.exec.env or ()), NameValue("KUBERNETES_EXEC_INFO", json.dumps(info))]
        user.exec.args = ["-P", exec_plugin.__file__, str(PLUGIN_SECONDS), user.exec.command, *(user.exec.args or ())]
        user.exec.command = sys.executable
    return found._replace(user=user)

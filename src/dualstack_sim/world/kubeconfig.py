"""The kubeconfig of a simulated API server."""

from __future__ import annotations

import yaml


def kubeconfig(server: str, token: str | None = None) -> str:
    """One context, whose user has a token that the server accepts, or no credentials."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "simulated", "cluster": {"server": server}}],
            "users": [{"name": "anyone", "user": {"token": token} if token else {}}],
            "contexts": [{"name": "simulated", "context": {"cluster": "simulated", "user": "anyone"}}],
            "current-context": "simulated",
        },
        sort_keys=False,
    )

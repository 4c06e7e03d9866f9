"""The kubeconfig of a simulated API server."""

from __future__ import annotations

import base64

import yaml


def kubeconfig(server: str, token: str | None = None, authority: bytes | None = None) -> str:
    """One context, whose user has a token that the server accepts, or no credentials.

    authority: the certificate of a server with TLS, as PEM.
    """
    cluster: dict[str, str | bool] = {"server": server}
    if authority is None:
        cluster["insecure-skip-tls-verify"] = True  # a client need not load the certificates of its machine, 30 ms
    else:
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "simulated", "cluster": cluster}],
            "users": [{"name": "anyone", "user": {"token": token} if token else {}}],
            "contexts": [{"name": "simulated", "context": {"cluster": "simulated", "user": "anyone"}}],
            "current-context": "simulated",
        },
        sort_keys=False,
    )

"""The service account key of the product for the simulated cloud."""

from __future__ import annotations

import base64
from functools import cache

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dualstack.gardener.model.names import CLOUD_PROVIDER_SECRET, SERVICE_ACCOUNT_KEY
from dualstack.model.kinds import SECRET, Manifest
from dualstack.model.manifests import manifest
from dualstack_sim.world.kubeconfig import kubeconfig


def cloud_provider_secret(namespace: str, project: str, token_uri: str) -> Manifest:
    """The Secret `cloudprovider` with an RSA key that only the simulated token endpoint accepts."""
    account = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": "simulated",
        "private_key": _private_key(),
        "client_email": f"gardener@{project}.iam.gserviceaccount.com",
        "client_id": "100000000000000000001",
        "token_uri": token_uri,
    }
    encoded = base64.b64encode(msgspec.json.encode(account)).decode()
    return manifest(SECRET, CLOUD_PROVIDER_SECRET, namespace, type="Opaque", data={SERVICE_ACCOUNT_KEY: encoded})


def shoot_access(namespace: str, server: str, token: str | None = None, authority: bytes | None = None) -> Manifest:
    """The Secret `gardener` with the kubeconfig of the shoot (docs/reference/gardener.md#shoot-access)."""
    encoded = base64.b64encode(kubeconfig(server, token, authority).encode()).decode()
    return manifest(SECRET, "gardener", namespace, type="Opaque", data={"kubeconfig": encoded})


@cache
def _private_key() -> str:
    """A PEM key that all worlds of this process share, because generating one is slow.

    It protects nothing: the simulated token endpoint takes every signature. Loading a longer one takes 40 ms each time.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

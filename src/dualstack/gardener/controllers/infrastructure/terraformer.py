"""What the Terraform era has left beside the Infrastructure (gardener-behaviour.md 10)."""

from __future__ import annotations

from dualstack.kube.interface import Kube
from dualstack.model.kinds import CONFIG_MAP, SECRET

PURPOSE = "infra"


async def clean_leftovers(kube: Kube, name: str, namespace: str) -> None:
    """Delete the configuration, the state and the variables of the Infrastructure's Terraform where they are there.

    Called only after success: until then they are the only copy of what they say.
    """
    prefix = f"{name}.{PURPOSE}.tf-"
    for kind, part in ((CONFIG_MAP, "config"), (CONFIG_MAP, "state"), (SECRET, "vars")):
        if await kube.get(kind, prefix + part, namespace) is not None:
            await kube.delete(kind, prefix + part, namespace)

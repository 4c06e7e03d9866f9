"""Whether nodes give what their pods send to the internet their own address."""

from __future__ import annotations

from dualstack.cni import CNIS, config_maps
from dualstack.cni.interface import SystemObjects
from dualstack.model import cidr
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.texts import read_mapping

_AGENT = "ip-masq-agent"
"""Its DaemonSet and its ConfigMap in kube-system."""


def shown_by() -> list[str]:
    """The ConfigMaps of kube-system that show it."""
    return [*config_maps(), _AGENT]


def masquerader(pods: str, objects: SystemObjects) -> str:
    """What translates IPv4 on every node, as a clause; empty when it is known that nothing does
    (docs/reference/kubernetes.md#masquerading).

    pods: the CIDR of the pods. objects: its ConfigMaps are those of `shown_by`. Raises the error of a read, unless
    another object shows what translates.
    """
    failed: DualstackError | None = None
    for look in (*(cni.masquerade for cni in CNIS), _agent):
        try:
            if found := look(objects, pods):
                return found
        except DualstackError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return ""


def _agent(objects: SystemObjects, _pods: str) -> str:
    if all(each["metadata"]["name"] != _AGENT for each in objects.daemon_sets()):
        return ""
    text = (objects.data(_AGENT) or {}).get("config")
    try:
        exempt = (read_mapping(text).get("nonMasqueradeCIDRs") or []) if text else []
    except ValueError as error:
        raise InvalidInput(f"ConfigMap kube-system/{_AGENT}: config: {error}") from error
    if not isinstance(exempt, list):
        raise InvalidInput(f"ConfigMap kube-system/{_AGENT}: config: nonMasqueradeCIDRs is not a list")
    if cidr.covered(cidr.INTERNET, exempt):
        return ""
    return f"DaemonSet kube-system/{_AGENT}, whose nonMasqueradeCIDRs are not the internet"

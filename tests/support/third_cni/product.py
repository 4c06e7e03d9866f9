"""What the product knows of Flat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dualstack.cni.interface import FIELD, Cni, PodNetwork, SystemObjects, cidr_of
from dualstack.model.field_errors import Fault, forbidden
from dualstack.model.manifests import config_map, daemon_set
from dualstack.model.names import KUBE_SYSTEM, RANGES
from dualstack.model.parts import Part
from dualstack.model.workloads import with_template_annotation

_DAEMON_SET, _CONFIG_MAP = "flat-agent", "flat"


def _encapsulation(objects: SystemObjects, pods: str) -> Iterator[tuple[str, str]]:
    if objects.data(_CONFIG_MAP) is not None:
        yield f"ConfigMap kube-system/{_CONFIG_MAP}", pods


def _masquerade(objects: SystemObjects, pods: str) -> str:
    return f"flat masquerades {pods}" if objects.data(_CONFIG_MAP) else ""


def _objects(network: PodNetwork) -> list[Part]:
    data = {family: cidr_of(network.pods, family) for family in network.families}
    mark = ",".join(data.values()) if network.dual_stack else None  # the agent reads its configuration at its start
    return [
        Part(config_map(_CONFIG_MAP, KUBE_SYSTEM, data), lambda live: {**live, "data": data}),
        Part.of(
            daemon_set(_DAEMON_SET, "flat:v1", labels={"app": "flat"}),
            lambda live: with_template_annotation(live, RANGES, mark),
        ),
    ]


def _is_dual_stack(data: Mapping[str, str]) -> bool:
    return {"IPv4", "IPv6"} <= data.keys()


def _validate(config: Mapping[str, Any], families: Sequence[str], _proxy: bool) -> Iterator[Fault]:
    if config.get("ipv4Only") and "IPv6" in families:
        yield forbidden(f"{FIELD}.ipv4Only", "must not be set for dual-stack shoots")


FLAT = Cni(
    "Flat",
    _DAEMON_SET,
    _CONFIG_MAP,
    _encapsulation,
    _masquerade,
    mtu_key="frame",
    network_type="flat",
    objects=_objects,
    is_dual_stack=_is_dual_stack,
    validate=_validate,
)

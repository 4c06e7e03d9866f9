"""The Shoot: parsing, and a typed view of the fields that a migration uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from dualstack.gardener.model.defaults import DEFAULT_MASK_IPV4, max_pods, with_defaults
from dualstack.gardener.model.infrastructure import InfrastructureConfig
from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.model.pools import Pool
from dualstack.model.conditions import Condition, condition_status
from dualstack.model.errors import InvalidInput
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.strict_yaml import documents

_MOST_VALUES = 200_000
"""A document with more values has anchors that multiply each other; it is not a Shoot."""


@dataclass(frozen=True, slots=True)
class NetworkingStatus:
    """`status.networking`: CIDRs as written there, primary family first."""

    pods: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShootView:
    """The fields that a migration uses, with Gardener's defaults. `manifest` is the Shoot as it was read."""

    name: str
    namespace: str
    technical_id: str
    uid: str
    generation: int
    region: str
    provider: str
    kubernetes_version: str
    families: tuple[str, ...]
    pods: str
    nodes: str | None
    services: str
    cni: str
    network_config: Mapping[str, Any]
    overlay_enabled: bool | None
    """None when it is not set."""
    node_cidr_mask_size: int
    node_cidr_mask_size_ipv6: int | None
    max_pods: int
    pools: tuple[Pool, ...]
    infrastructure_config: InfrastructureConfig
    hibernated: bool
    proxy_mode: str
    kube_proxy_enabled: bool
    status_networking: NetworkingStatus | None
    constraints: tuple[Condition, ...]
    annotations: Mapping[str, str]
    manifest: Manifest

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """The view of a valid Shoot; raises InvalidInput when its infrastructureConfig cannot be read."""
        shoot = with_defaults(manifest)
        networking = dig(shoot, "spec", "networking") or {}
        manager = dig(shoot, "spec", "kubernetes", "kubeControllerManager") or {}
        config = networking.get("providerConfig") or {}
        return cls(
            name=shoot["metadata"]["name"],
            namespace=shoot["metadata"].get("namespace", ""),
            technical_id=technical_id(shoot),
            uid=shoot["metadata"].get("uid", ""),
            generation=shoot["metadata"].get("generation", 0),
            region=dig(shoot, "spec", "region") or "",
            provider=dig(shoot, "spec", "provider", "type") or "",
            kubernetes_version=str(dig(shoot, "spec", "kubernetes", "version") or ""),
            families=tuple(networking["ipFamilies"]),
            pods=networking.get("pods") or "",
            nodes=networking.get("nodes"),
            services=networking.get("services") or "",
            cni=networking.get("type") or "",
            network_config=config,
            overlay_enabled=overlay_enabled(shoot),
            node_cidr_mask_size=manager.get("nodeCIDRMaskSize") or DEFAULT_MASK_IPV4,
            node_cidr_mask_size_ipv6=manager.get("nodeCIDRMaskSizeIPv6"),
            max_pods=max_pods(shoot),
            pools=tuple(Pool.of(pool) for pool in dig(shoot, "spec", "provider", "workers") or ()),
            infrastructure_config=InfrastructureConfig.from_raw(dig(shoot, "spec", "provider", "infrastructureConfig")),
            hibernated=bool(dig(shoot, "spec", "hibernation", "enabled")),
            proxy_mode=dig(shoot, "spec", "kubernetes", "kubeProxy", "mode") or "IPTables",
            kube_proxy_enabled=dig(shoot, "spec", "kubernetes", "kubeProxy", "enabled") is not False,
            status_networking=_status_networking(shoot),
            constraints=tuple(dig(shoot, "status", "constraints") or ()),
            annotations=dig(shoot, "metadata", "annotations") or {},
            manifest=manifest,
        )

    @property
    def dual_stack(self) -> bool:
        """Whether the spec has both families."""
        return len(self.families) == 2

    @property
    def dual_stack_infrastructure(self) -> bool:
        """Gardener's `dualEnabled`: the spec is not IPv4-only, or the nodes already have two ranges."""
        status = self.status_networking
        return self.families != ("IPv4",) or (status is not None and len(status.nodes) == 2)

    @property
    def returning(self) -> bool:
        """Whether the spec is IPv4-only again while the infrastructure is dual-stack.

        docs/reference/gardener.md#return-to-ipv4
        """
        return self.dual_stack_infrastructure and not self.dual_stack

    @property
    def workerless(self) -> bool:
        return not self.pools

    def constraint(self, kind: str) -> str | None:
        """The status of a constraint; None when the Shoot does not have it."""
        return condition_status(self.constraints, kind)


def load_shoot(text: str) -> Manifest:
    """The Shoot in a YAML or JSON document, with every field; raises InvalidInput for anything else."""
    found = documents(text)
    if len(found) != 1:
        raise InvalidInput(f"holds {len(found) or 'no'} documents; exactly one Shoot is expected")
    manifest = _as_json(found[0])
    if not isinstance(manifest, dict):
        raise InvalidInput(f"not a Shoot: the document is a {_NAMES.get(type(manifest), 'value')}, not a mapping")
    faults = []
    if manifest.get("kind") != SHOOT.kind:
        faults.append(f'kind: Unsupported value: {_quoted(manifest.get("kind"))}: supported values: "{SHOOT.kind}"')
    if manifest.get("apiVersion") != SHOOT.api_version:
        given = _quoted(manifest.get("apiVersion"))
        faults.append(f'apiVersion: Unsupported value: {given}: supported values: "{SHOOT.api_version}"')
    if faults:
        raise InvalidInput(*faults)
    return manifest


def cloud_profile_of(shoot: Manifest) -> str:
    """The name of its CloudProfile, from either of the two fields; empty without one."""
    spec = shoot.get("spec") or {}
    return str(dig(spec, "cloudProfile", "name") or spec.get("cloudProfileName") or "")


def technical_id(shoot: Manifest) -> str:
    """`status.technicalID`, else `shoot--<project>--<name>` with the project from the Garden namespace."""
    given = dig(shoot, "status", "technicalID")
    if given:
        return str(given)
    metadata = shoot["metadata"]
    project = str(metadata.get("namespace", "")).removeprefix("garden-")
    return f"shoot--{project}--{metadata['name']}"


def overlay_enabled(shoot: Manifest) -> bool | None:
    """`spec.networking.providerConfig.overlay.enabled`; None when it is not a boolean."""
    value = dig(shoot, "spec", "networking", "providerConfig", "overlay", "enabled")
    return value if isinstance(value, bool) else None


_NAMES: dict[type, str] = {list: "list", str: "string", int: "number", float: "number", bool: "boolean"}


def _quoted(value: Any) -> str:
    return msgspec.json.encode("" if value is None else value).decode()


def _status_networking(shoot: Manifest) -> NetworkingStatus | None:
    status = dig(shoot, "status", "networking")
    if not status:
        return None
    lists = (tuple(status.get(key) or ()) for key in ("pods", "nodes", "services", "egressCIDRs"))
    return NetworkingStatus(*lists)


def _as_json(document: Any) -> Any:
    """The document with JSON types only: YAML dates and integer keys become strings."""
    pending, count = [document], 0
    while pending:
        value = pending.pop()
        count += 1
        if count > _MOST_VALUES:
            raise InvalidInput(f"not a Shoot: its anchors expand to more than {_MOST_VALUES} values")
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    try:
        return msgspec.json.decode(msgspec.json.encode(document))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidInput(f"not a Shoot: contains a value that JSON cannot represent: {error}") from error

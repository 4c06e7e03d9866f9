"""Worker pools and their distribution over zones (docs/reference/gardener.md#machine-classes)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

IntOrPercent = int | str

ROLLING = "AutoRollingUpdate"
"""The update strategy that replaces nodes, and the default (docs/reference/gardener.md#in-place)."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One entry of `spec.provider.workers`. `manifest` is the entry as it was read."""

    name: str
    minimum: int
    maximum: int
    max_surge_setting: IntOrPercent
    max_unavailable_setting: IntOrPercent
    zones: tuple[str, ...]
    machine_type: str
    image_name: str
    image_version: str
    volume_type: str
    volume_size: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    taints: tuple[Mapping[str, Any], ...]
    manifest: Manifest

    @classmethod
    def of(cls, pool: Manifest) -> Self:
        """The typed view of a valid pool."""
        return cls(
            name=pool["name"],
            minimum=pool.get("minimum", 0),
            maximum=pool.get("maximum", 0),
            max_surge_setting=pool.get("maxSurge", 1),
            max_unavailable_setting=pool.get("maxUnavailable", 0),
            zones=tuple(pool.get("zones") or ()),
            machine_type=dig(pool, "machine", "type") or "n1-standard-2",
            image_name=dig(pool, "machine", "image", "name") or "gardenlinux",
            image_version=str(dig(pool, "machine", "image", "version") or "1592.9.0"),
            volume_type=dig(pool, "volume", "type") or "pd-balanced",
            volume_size=dig(pool, "volume", "size") or "50Gi",
            labels=pool.get("labels") or {},
            annotations=pool.get("annotations") or {},
            taints=tuple(pool.get("taints") or ()),
            manifest=pool,
        )

    @property
    def max_surge(self) -> int:
        """The number of additional machines during a replacement of the minimum; percentages round up."""
        return resolve(self.max_surge_setting, self.minimum, round_up=True)

    @property
    def max_unavailable(self) -> int:
        """The number of machines of the minimum that may be unavailable then; percentages round down."""
        return resolve(self.max_unavailable_setting, self.minimum, round_up=False)

    @property
    def provider_config(self) -> Manifest:
        """The pool's WorkerConfig; empty without one."""
        return self.manifest.get("providerConfig") or {}

    def version(self, of_shoot: str) -> str:
        """The Kubernetes version of the nodes: the pool's own, else the Shoot's."""
        return str(dig(self.manifest, "kubernetes", "version") or of_shoot)

    def in_zone(self, index: int) -> ZonePart:
        """The part of the pool in its zone `index`, counted from 0: one MachineDeployment."""
        count = len(self.zones) or 1
        return ZonePart(
            index=index,
            zone=self.zones[index] if self.zones else "",
            minimum=share(self.minimum, index, count),
            maximum=share(self.maximum, index, count),
            max_surge=_share_setting(self.max_surge_setting, index, count),
            max_unavailable=_share_setting(self.max_unavailable_setting, index, count),
        )

    @property
    def parts(self) -> tuple[ZonePart, ...]:
        """One part for each zone."""
        return tuple(self.in_zone(index) for index in range(len(self.zones) or 1))


@dataclass(frozen=True, slots=True)
class ZonePart:
    """The part of a pool in one zone."""

    index: int
    zone: str
    minimum: int
    maximum: int
    max_surge: IntOrPercent
    max_unavailable: IntOrPercent


def share(total: int, index: int, count: int) -> int:
    """Part `index` of `total` distributed evenly over `count` parts; the first parts get the remainder."""
    return total // count + (1 if index < total % count else 0)


def resolve(setting: IntOrPercent, total: int, *, round_up: bool) -> int:
    """`setting` as a number of machines: an int as it is, a percentage such as `25%` of `total`."""
    if isinstance(setting, int):
        return setting
    hundredths = int(setting.removesuffix("%")) * total
    return -(-hundredths // 100) if round_up else hundredths // 100


def _share_setting(setting: IntOrPercent, index: int, count: int) -> IntOrPercent:
    return share(setting, index, count) if isinstance(setting, int) else setting

"""Resources that never change: the project, its regions, zones and machine types.

Source: docs/reference/compute-engine.md#places.
"""

from __future__ import annotations

import re

from dualstack_sim.compute.api.errors import Json, not_found
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.machines.accelerators import quota_rows, used
from dualstack_sim.compute.project.metadata import ProjectMetadata
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.compute.project.quotas import ALL_GPUS

_CREATED = "1969-12-31T16:00:00.000-08:00"
_STANDARD = re.compile(r"[a-z0-9]+-(standard|highmem|highcpu)-([0-9]{1,3})")
_MEMORY_PER_CPU = {"standard": 3840, "highmem": 6656, "highcpu": 920}
_SMALL = {
    "e2-micro": (2, 1024),
    "e2-small": (2, 2048),
    "e2-medium": (2, 4096),
    "f1-micro": (1, 614),
    "g1-small": (1, 1740),
}

_LISTED = (
    *(f"{series}-{kind}-{size}" for series in ("e2", "n1", "n2", "n2d") for kind in _MEMORY_PER_CPU
      for size in (2, 4, 8, 16, 32)),
    *_SMALL,
)  # fmt: skip


class Locations:
    """projects.get, regions, zones, machineTypes."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._metadata = ProjectMetadata(project)

    def project(self, _call: Call) -> Json:
        project = self._project
        return {
            "kind": "compute#project",
            "id": project.number,
            "name": project.name,
            "creationTimestamp": _CREATED,
            "selfLink": project.links.within(""),
            "commonInstanceMetadata": self._metadata.shown(),
            "defaultServiceAccount": f"{project.number}-compute@developer.gserviceaccount.com",
            "defaultNetworkTier": "PREMIUM",
            "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
            "quotas": [
                {"metric": metric, "limit": limit, "usage": float(self._count(collection))}
                for metric, limit, collection in (
                    ("NETWORKS", 50.0, "networks"),
                    ("SUBNETWORKS", 1000.0, "subnetworks"),
                    ("ROUTES", 1000.0, "routes"),
                    ("FIREWALLS", 1000.0, "firewalls"),
                    ("ROUTERS", 100.0, "routers"),
                )
            ]
            + [
                {
                    "metric": ALL_GPUS,
                    "limit": float(project.limits.gpu_limit(ALL_GPUS)),
                    "usage": float(used(project, ALL_GPUS, "")),
                }
            ],
        }

    def regions(self) -> list[Json]:
        return [self._region(name) for name in sorted(self._project.regions)]

    def region(self, call: Call) -> Json:
        name = call.scope.partition("/")[2]
        if name not in self._project.regions:
            raise not_found(f"projects/{self._project.name}/regions/{name}")
        return self._region(name)

    def _region(self, name: str) -> Json:
        links = self._project.links
        zones = self._project.regions[name]
        instances = sum(len(self._project.inventory.table("instances", f"zones/{zone}")) for zone in zones)
        return {
            "kind": "compute#region",
            "id": str(1000 + sorted(self._project.regions).index(name) * 10),
            "name": name,
            "description": name,
            "creationTimestamp": _CREATED,
            "selfLink": links.within(f"regions/{name}"),
            "status": "UP",
            "zones": [links.within(f"zones/{zone}") for zone in zones],
            "quotas": [
                {"metric": "INSTANCES", "limit": 6000.0, "usage": float(instances)},
                *quota_rows(self._project, name),
            ],
            "supportsPzs": False,
        }

    def zones(self) -> list[Json]:
        return [self._zone(zone, region) for region, zones in sorted(self._project.regions.items()) for zone in zones]

    def zone(self, call: Call) -> Json:
        name = call.scope.partition("/")[2]
        region = self._project.zone_region(name)
        if region is None:
            raise not_found(f"projects/{self._project.name}/zones/{name}")
        return self._zone(name, region)

    def _zone(self, name: str, region: str) -> Json:
        index = sorted(zone for zones in self._project.regions.values() for zone in zones).index(name)
        return {
            "kind": "compute#zone",
            "id": str(2000 + index),
            "name": name,
            "description": name,
            "creationTimestamp": _CREATED,
            "selfLink": self._project.links.within(f"zones/{name}"),
            "region": self._project.links.within(f"regions/{region}"),
            "status": "UP",
            "supportsPzs": False,
        }

    def machine_types(self, scope: str) -> list[Json]:
        """The types in the list; get knows more."""
        if not scope.startswith("zones/"):
            return []
        return [self._machine_type(scope, name) for name in _LISTED]

    def machine_type(self, call: Call) -> Json:
        """Any type whose name contains its size."""
        self._project.check_scope(call.scope)
        return self._machine_type(call.scope, call.name)

    def _machine_type(self, scope: str, name: str) -> Json:
        standard = _STANDARD.fullmatch(name)
        key = Key("machineTypes", scope, name)
        if standard:
            cpus = int(standard[2])
            memory = cpus * _MEMORY_PER_CPU[standard[1]]
        elif name in _SMALL:
            cpus, memory = _SMALL[name]
        else:
            raise not_found(self._project.links.partial(key))
        return {
            "kind": "compute#machineType",
            "id": str(100_000 + cpus),
            "name": name,
            "description": f"{cpus} vCPUs, {memory / 1024:g} GB RAM",
            "creationTimestamp": _CREATED,
            "selfLink": self._project.links.full(key),
            "zone": scope.partition("/")[2],
            "guestCpus": cpus,
            "memoryMb": memory,
            "isSharedCpu": name in _SMALL,
            "maximumPersistentDisks": 128,
            "maximumPersistentDisksSizeGb": "263168",
            "imageSpaceGb": 0,
        }

    def _count(self, collection: str) -> int:
        return sum(1 for _ in self._project.inventory.all(collection))

"""The garden's CloudProfile: what Shoots may use (docs/reference/gardener.md#cloud-profile)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from dualstack.gardener.model.kinds import CLOUD_PROFILE
from dualstack.gardener.model.shoot import ShootView, cloud_profile_of
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import manifest
from dualstack_sim.compute.api.errors import ApiError
from dualstack_sim.compute.project.locations import Locations
from dualstack_sim.compute.project.project import Call, Project

_VOLUME_TYPES = ("pd-balanced", "pd-extreme", "pd-ssd", "pd-standard", "hyperdisk-balanced", "SCRATCH")
_MINOR_VERSIONS = ("1.32.9", "1.33.4", "1.34.1")


def cloud_profile(shoot: ShootView, project: Project) -> Manifest:
    """The profile that the Shoot names: the machine types, regions and zones of the simulated cloud, and the Kubernetes
    version and the images of this Shoot besides usual ones."""
    images: dict[str, dict[str, str]] = {}
    for pool in shoot.pools:
        images.setdefault(pool.image_name, {})[pool.image_version] = str(
            pool.manifest.get("machine", {}).get("architecture", "amd64")
        )
    return manifest(
        CLOUD_PROFILE,
        cloud_profile_of(shoot.manifest),
        spec={
            "type": "gcp",
            "kubernetes": {
                "versions": [
                    {"version": version, "classification": "supported"}
                    for version in sorted({*_MINOR_VERSIONS, shoot.kubernetes_version}, reverse=True)
                ]
            },
            "machineImages": [
                {
                    "name": name,
                    "versions": [
                        {
                            "version": version,
                            "classification": "supported",
                            "architectures": [architecture],
                            "cri": [{"name": "containerd"}],
                        }
                        for version, architecture in versions.items()
                    ],
                }
                for name, versions in images.items()
            ],
            "machineTypes": _machine_types(shoot, project),
            "volumeTypes": [{"name": name, "class": "standard", "usable": True} for name in _VOLUME_TYPES],
            "regions": [
                {"name": region, "zones": [{"name": zone} for zone in zones]}
                for region, zones in sorted(project.regions.items())
            ],
            "providerConfig": {
                "apiVersion": "gcp.provider.extensions.gardener.cloud/v1alpha1",
                "kind": "CloudProfileConfig",
                "machineImages": [
                    {
                        "name": name,
                        "versions": [
                            {
                                "version": version,
                                "architecture": architecture,
                                "image": f"projects/sap-se-gcp-gardenlinux/global/images/{_image(name, version)}",
                            }
                            for version, architecture in versions.items()
                        ],
                    }
                    for name, versions in images.items()
                ],
            },
        },
    )


def _machine_types(shoot: ShootView, project: Project) -> list[dict[str, Any]]:
    """Those that the cloud lists, and those of the Shoot's pools that it has without listing them."""
    locations = Locations(project)
    scope = f"zones/{next(zone for zones in project.regions.values() for zone in zones)}"
    rows = {row["name"]: row for row in locations.machine_types(scope)}
    for pool in shoot.pools:
        if pool.machine_type not in rows:
            call = Call("machineTypes.get", scope, pool.machine_type, now=0.0)
            with suppress(ApiError):  # the Compute API does not have it either
                rows[pool.machine_type] = locations.machine_type(call)
    return [
        {
            "name": name,
            "cpu": str(row["guestCpus"]),
            "gpu": "0",
            "memory": f"{row['memoryMb']}Mi",
            "architecture": "amd64",
            "usable": True,
        }
        for name, row in rows.items()
    ]


def _image(name: str, version: str) -> str:
    return f"{name}-{version.replace('.', '-')}"

"""Public images, for clients that look one up before they create a VM (docs/reference/compute-engine.md#images)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from dualstack_sim.compute.api.errors import Json, not_found
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.api.resource_changes import Methods
from dualstack_sim.compute.project.project import Call

PUBLIC: Mapping[str, Mapping[str, str]] = {
    "cos-cloud": {"cos-stable": "cos-stable-121-18867-90-4"},
    "debian-cloud": {"debian-11": "debian-11-bullseye-v20251014", "debian-12": "debian-12-bookworm-v20251014"},
    "ubuntu-os-cloud": {
        "ubuntu-2204-lts": "ubuntu-2204-jammy-v20251021",
        "ubuntu-2404-lts-amd64": "ubuntu-2404-noble-amd64-v20251021",
    },
}
"""Project -> family -> newest image."""
DISK_SIZE = 10
"""The size of every public image in GB."""
_CREATED = "2025-10-21T09:00:00.000-07:00"


class Images(Methods):
    """images.get, list and getFromFamily, of the public image projects; this project has no images."""

    def get(self, call: Call) -> Json:
        for image in self.rows(call):
            if call.name in (image["name"], image["id"]):
                return image
        raise not_found(self._partial(call, f"images/{call.name}"))

    def from_family(self, call: Call) -> Json:
        for image in self.rows(call):
            if image["family"] == call.name:
                return image
        raise not_found(self._partial(call, f"images/family/{call.name}"))

    def rows(self, call: Call) -> list[Json]:
        """The images of the requested project."""
        return [
            self._image(call.project, family, name) for family, name in sorted(PUBLIC.get(call.project, {}).items())
        ]

    def _partial(self, call: Call, path: str) -> str:
        return f"projects/{call.project or self._project.name}/global/{path}"

    def _image(self, owner: str, family: str, name: str) -> Json:
        digest = hashlib.blake2b(f"{owner}/{name}".encode(), digest_size=8).digest()
        link = self._project.links.full(Key("images", GLOBAL, name))
        return {
            "kind": "compute#image",
            "id": str(int.from_bytes(digest, "big") % (9 * 10**18) + 10**17),
            "name": name,
            "family": family,
            "description": f"{family}, built for the simulation",
            "creationTimestamp": _CREATED,
            "selfLink": link.replace(f"/projects/{self._project.name}/", f"/projects/{owner}/"),
            "status": "READY",
            "sourceType": "RAW",
            "architecture": "X86_64",
            "diskSizeGb": str(DISK_SIZE),
            "archiveSizeBytes": str(2 * 1024**3),
            "storageLocations": ["eu", "us", "asia"],
        }


def image_size(link: str) -> int:
    """The size in GB of a public image, named itself or by its family; 0 for an unknown image."""
    owner, found, name = link.partition("/global/images/")
    families = PUBLIC.get(owner.rpartition("/")[2], {})
    known = {*families, *families.values()}
    return DISK_SIZE if found and name.removeprefix("family/") in known else 0

"""What the platform is built from: a snapshot, and what the cluster in it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.cni import CNIS, SEED_CNI

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Description:
    """A cluster in a snapshot. CIDRs are IPv4.

    name: as cloud-controller-manager knows it. resources: of Compute, by collection. objects: of Kubernetes, by
    `apiVersion/Kind`. quotas: of the project, as Compute shows them.
    """

    name: str
    project: str
    region: str
    nodes_range: str
    pods: str
    services: str
    resources: Mapping[str, list[Resource]]
    objects: Mapping[str, list[Manifest]]
    quotas: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Description:
        """From the JSON form, which has the same fields."""
        return cls(**{name: document[name] for name in cls.__slots__})

    @property
    def nodes(self) -> list[Manifest]:
        """The Nodes."""
        return list(self.objects.get("v1/Node", ()))

    @property
    def cni(self) -> str:
        """The CNI of which a DaemonSet exists; that of the seed where none is known."""
        names = {each["metadata"]["name"] for each in self.objects.get("apps/v1/DaemonSet", ())}
        return next((cni.name for agent, cni in CNIS.items() if agent in names), SEED_CNI.name)

    def shoot(self) -> ShootView:
        """The description that the parts of a world without Gardener are made from."""
        nodes = self.nodes
        zones = sorted({node["metadata"].get("labels", {}).get("topology.kubernetes.io/zone", "") for node in nodes})
        masks = {int(node["spec"]["podCIDR"].rpartition("/")[2]) for node in nodes if node["spec"].get("podCIDR")}
        version = next((_version(node) for node in nodes if _version(node)), "1.33.0")
        pool = {
            "name": "nodes",
            "minimum": len(nodes),
            "maximum": len(nodes) + 1,
            "zones": [zone for zone in zones if zone] or [f"{self.region}-b"],
            "machine": {"type": "n1-standard-4"},
        }
        return ShootView.of(
            {
                "apiVersion": "core.gardener.cloud/v1beta1",
                "kind": "Shoot",
                "metadata": {"name": self.name, "namespace": "garden-snapshot"},
                "spec": {
                    "region": self.region,
                    "kubernetes": {
                        "version": version,
                        "kubeControllerManager": {"nodeCIDRMaskSize": min(masks, default=24)},
                    },
                    "networking": {
                        "type": self.cni,
                        "nodes": self.nodes_range,
                        "pods": self.pods,
                        "services": self.services,
                        "ipFamilies": ["IPv4"],
                        "providerConfig": {"overlay": {"enabled": False}},
                    },
                    "provider": {
                        "type": "gcp",
                        "infrastructureConfig": {"networks": {"workers": self.nodes_range}},
                        "workers": [pool],
                    },
                },
            }
        )


def _version(node: Manifest) -> str:
    found = ((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion") or ""
    return str(found).removeprefix("v").partition("-")[0].partition("+")[0]

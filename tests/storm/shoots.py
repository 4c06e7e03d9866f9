"""Random Shoots: their pools, zones, CNI and sizes of blocks."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import yaml

EXAMPLE = Path(__file__).parents[2] / "examples" / "shoot.yaml"
ZONES = ("europe-west1-b", "europe-west1-c", "europe-west1-d")
CNIS = ("calico", "cilium")

Shoot = dict[str, Any]


def example() -> Shoot:
    """The Shoot of the golden scenario."""
    shoot: Shoot = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    return shoot


def random_shoot(draw: random.Random) -> Shoot:
    """The example with other pools, zones, CNI and block sizes; half of the time it stays as it is."""
    shoot = example()
    if draw.random() < 0.5:
        return shoot
    spec = shoot["spec"]
    cni = draw.choice(CNIS)
    spec["networking"]["type"] = cni
    spec["networking"]["providerConfig"]["apiVersion"] = f"{cni}.networking.extensions.gardener.cloud/v1alpha1"
    spec["networking"]["pods"] = draw.choice(("100.96.0.0/11", "10.64.0.0/14"))
    spec["kubernetes"]["kubeControllerManager"]["nodeCIDRMaskSize"] = draw.choice((23, 24, 25))
    spec["kubernetes"]["kubeProxy"]["mode"] = draw.choice(("IPTables", "IPVS"))
    first = spec["provider"]["workers"][0]
    spec["provider"]["workers"] = [
        copy.deepcopy(first)
        | {
            "name": f"w{number}",
            "zones": sorted(draw.sample(ZONES, draw.randint(1, len(ZONES)))),
            "maximum": 10,
            "maxSurge": draw.randint(1, 3),
        }
        for number in range(1, draw.choice((1, 2, 2, 3)) + 1)
    ]
    spec["provider"]["controlPlaneConfig"]["zone"] = spec["provider"]["workers"][0]["zones"][0]
    return shoot


def describe(shoot: Shoot) -> str:
    """Pools with their zones, and the CNI."""
    pools = ", ".join(
        f"{pool['name']} in {'+'.join(zone[-1] for zone in pool['zones'])}"
        for pool in shoot["spec"]["provider"]["workers"]
    )
    return f"{shoot['spec']['networking']['type']}, {pools}"

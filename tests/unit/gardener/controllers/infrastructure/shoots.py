"""Shoots of the two examples as views, and what is desired for them."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.model.shoot import ShootView, load_shoot

EXAMPLES = Path(__file__).parents[5] / "examples"
NS = "shoot--foo--bar"
BASE = "https://www.googleapis.com/compute/v1/projects/proj-1"
NETWORK = f"{BASE}/global/networks/{NS}"
SUBNET = f"{BASE}/regions/europe-west1/subnetworks/{NS}-nodes"
N6 = "2600:1900:4010:1234:0:0:0:0/64"
S6 = "2600:1900:4010:5678:0:0:0:0/64"


def view(
    *families: str,
    example: str = "shoot.yaml",
    networks: dict[str, Any] | None = None,
    status_nodes: tuple[str, ...] = ("10.250.0.0/16",),
) -> ShootView:
    """The example's Shoot with these families; `networks` overlays its infrastructureConfig."""
    shoot = deepcopy(load_shoot((EXAMPLES / example).read_text(encoding="utf-8")))
    shoot["spec"]["networking"]["ipFamilies"] = list(families) or ["IPv4", "IPv6"]
    shoot["spec"]["provider"]["infrastructureConfig"]["networks"].update(networks or {})
    shoot["status"] = {"networking": {"nodes": list(status_nodes), "pods": [], "services": []}}
    return ShootView.of(shoot)


def desired(*families: str, **options: Any) -> Desired:
    return Desired.of(view(*families, **options), project="proj-1", region="europe-west1")

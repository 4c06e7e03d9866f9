"""Reads the committed manifests."""

from __future__ import annotations

from typing import Any

import yaml

from tests.deploy.generate import ROOT


def objects(name: str) -> list[dict[str, Any]]:
    """The objects of a committed manifest."""
    found = yaml.safe_load_all((ROOT / f"deploy/manifests/{name}.yaml").read_text(encoding="utf-8"))
    return [each for each in found if each]


def one(name: str, kind: str) -> dict[str, Any]:
    (found,) = (each for each in objects(name) if each["kind"] == kind)
    return found

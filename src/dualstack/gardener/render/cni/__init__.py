"""The registry of network plugins. To add one, write its module beside these and name it in `CNIS`."""

from __future__ import annotations

from dualstack.gardener.render.cni.calico import CALICO
from dualstack.gardener.render.cni.cilium import CILIUM
from dualstack.gardener.render.cni.interface import Cni
from dualstack.gardener.validation.field_errors import not_supported
from dualstack.model.errors import InvalidInput

CNIS: dict[str, Cni] = {cni.name: cni for cni in (CALICO, CILIUM)}
"""Every supported plugin by its name in `spec.networking.type`."""

CUSTOM_KINDS = tuple(kind for cni in CNIS.values() for kind in cni.custom_kinds)
"""The kinds that the plugins bring along."""


def cni_of(name: str) -> Cni:
    """The plugin of this name; raises InvalidInput when it is not supported."""
    if name not in CNIS:
        raise InvalidInput(str(not_supported("spec.networking.type", name, tuple(CNIS))))
    return CNIS[name]

"""Flannel, which is recognised and not migrated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dualstack.cni.interface import Cni, SystemObjects

_CONFIG_MAP = "kube-flannel-cfg"
_NATIVE = re.compile(r'"Type"\s*:\s*"(gce|alloc|host-gw)"')


def _encapsulation(objects: SystemObjects, _pods: str) -> Iterator[tuple[str, str]]:
    data = objects.data(_CONFIG_MAP)
    if data is not None and not _NATIVE.search(str(data)):
        yield f"ConfigMap kube-system/{_CONFIG_MAP}", "its backend encapsulates"


FLANNEL = Cni(
    "Flannel",
    "kube-flannel-ds",
    _CONFIG_MAP,
    _encapsulation,
    becomes_dual_stack=False,
    configuration_keys=("net-conf.json",),
    names=("kube-flannel",),
    programs=("(kube-)?flannel",),
    domain="coreos.com",
)

"""Replaces names and addresses in a snapshot, the same everywhere; sizes, overlaps and families of ranges stay.

An address keeps what it shares with every other: two ranges overlap after the change exactly if they did before,
because each bit is turned or not by the bits in front of it alone. The prefix of its class (private, shared,
link-local) and the last byte stay, and so do offsets from the beginning of a range: the API server's Service keeps its
place. The mapping cannot be reversed without the key, which is made for each document and not kept.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import msgspec

from dualstack.model.names import route_prefix
from dualstack.snapshot.document import Snapshot

_CLASSES = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
        "35.191.0.0/16", "130.211.0.0/22", "35.235.240.0/20", "199.36.153.0/24", "0.0.0.0/8", "224.0.0.0/3",
        "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "::/3",
        "fd00::/8", "fe80::/10", "2600:1900::/28", "2600:2d00::/32",
    )
)  # fmt: skip
"""Addresses stay within their class; those of Google's health checks and proxies keep their meaning."""

_ADDRESS = re.compile(
    r"(?<![\w.:-])(\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})(?:/(\d{1,3}))?(?![\w:/-]|\.\d)"
)
_KEPT_PREFIXES = frozenset(
    (each.version, position, int(each.network_address) >> (each.max_prefixlen - position))
    for each in _CLASSES
    for position in range(each.prefixlen)
)
"""Version, length and bits of each beginning of a class: no bit behind it is turned, so that no address leaves its
class or enters another."""
_OF_SHOOT = ("projectName", "shootName")
"""The parts of a shoot's technical ID in ConfigMap shoot-info (docs/reference/gardener.md#shoot-info)."""
_CLUSTER_NAME = re.compile(r"--cluster-name=([-\w.]+)")
_KEPT_NAMES = frozenset(
    {"default", "kube-system", "kube-public", "kube-node-lease", "kubernetes", "kube-dns", "kube-proxy", "coredns"}
)
_KEPT_LABELS = re.compile(r"(kubernetes\.io|k8s\.io|gardener\.cloud|cloud\.google\.com|dualstack\.dev)(/|$)")
_TOKEN = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def anonymised(snapshot: Snapshot, key: bytes | None = None) -> Snapshot:
    """The snapshot with other names and addresses. key: for tests; a random one otherwise."""
    mapping = _Mapping(key or secrets.token_bytes(32), snapshot)
    builtins = msgspec.to_builtins(snapshot)
    changed = {name: mapping.value(builtins[name]) for name in ("compute", "answers", "kubernetes", "refusals")}
    project = mapping.text(snapshot.project)
    found = msgspec.convert({**builtins, **changed, "project": project}, Snapshot)
    return msgspec.structs.replace(found, anonymised=True)


@dataclass(frozen=True)
class _Mapping:
    key: bytes
    snapshot: Snapshot
    _known: dict[str, str] = field(default_factory=dict)

    def value(self, value: Any, name: str = "") -> Any:
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.value(each, name) for each in value]
            case dict():
                if name == "annotations":
                    value = {key: text for key, text in value.items() if _KEPT_LABELS.search(key)}
                if name in ("labels", "matchLabels", "selector"):
                    return dict(self._label(key, each) for key, each in value.items())
                return {
                    self.text(key): self._digest(each) if key in _OF_SHOOT else self.value(each, key)
                    for key, each in value.items()
                }
            case _:
                return value

    def text(self, text: str) -> str:
        """The text with every name of the snapshot and every address replaced."""
        if (known := self._known.get(text)) is None:
            known = _ADDRESS.sub(self._address, self._pattern.sub(self._name, text))
            self._known[text] = known
        return known

    def _label(self, key: str, value: Any) -> tuple[str, Any]:
        """A label: those of Kubernetes, Google Cloud and platforms keep their key; of others the value is replaced."""
        if _KEPT_LABELS.search(key):
            return key, self.value(value)
        kept = key in ("app", "k8s-app") and value in _KEPT_NAMES
        known = key if key in ("app", "k8s-app") else f"label-{self._digest(key)}"
        return known, value if kept or not isinstance(value, str) else f"value-{self._digest(value)}"

    @cached_property
    def _names(self) -> dict[str, str]:
        """Each name with its replacement. Names of a cluster's machines keep their form: only its own name changes."""
        found = dict(self._clusters)
        for kind, name in _names_of(self.snapshot):
            inherited = any(name.startswith(f"{cluster}-") for cluster in self._clusters)
            if len(name) > 2 and name not in _KEPT_NAMES and not inherited:
                found.setdefault(name, f"{kind}-{self._digest(name)}")
        for cluster, other in self._clusters.items():  # names of routes begin with a part of it
            if len(cluster) >= len(short := route_prefix(cluster)):
                found[short[:-1]] = other[: len(short) - 1]
        return found

    @cached_property
    def _clusters(self) -> dict[str, str]:
        """The cluster's name as cloud-controller-manager knows it, where it is no default, with its replacement."""
        found = {}
        for each in self.snapshot.kubernetes.get("v1/ConfigMap", ()):
            parts = [str((each.get("data") or {}).get(name) or "") for name in _OF_SHOOT]
            if all(parts):
                found["--".join(("shoot", *parts))] = "--".join(("shoot", *map(self._digest, parts)))
        pods = self.snapshot.kubernetes.get("v1/Pod", ())
        flags = {name for pod in pods for name in _CLUSTER_NAME.findall(str(pod["spec"].get("containers")))}
        return {name: f"cluster-{self._digest(name)}" for name in sorted(flags - _KEPT_NAMES)} | found

    @cached_property
    def _networks(self) -> frozenset[tuple[int, int, int]]:
        """Version, length and leading bits of every range in the snapshot."""
        text = self.snapshot.as_json()
        found = (_network(f"{address}/{length}") for address, length in _ADDRESS.findall(text) if length)
        return frozenset(
            (each.version, each.prefixlen, int(each.network_address) >> (each.max_prefixlen - each.prefixlen))
            for each in found
            if each is not None
        )

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        names = sorted(self._names, key=lambda name: (-len(name), name))
        return re.compile(rf"(?<![A-Za-z0-9])({'|'.join(map(re.escape, names)) or '(?!)'})(?![A-Za-z0-9])")

    def _name(self, found: re.Match[str]) -> str:
        return self._names[found[1]]

    def _address(self, found: re.Match[str]) -> str:
        try:
            address = ip_address(found[1])
        except ValueError:
            return found[0]
        width, bits = address.max_prefixlen, int(address)
        result, at_start = bits, False
        for position in range(width - 8):
            leading = bits >> (width - position)
            at_start = at_start or (address.version, position, leading) in self._networks
            prefix = (address.version, position, leading)
            if not at_start and prefix not in _KEPT_PREFIXES and self._turns(*prefix):
                result ^= 1 << (width - 1 - position)
            if at_start and bits >> (width - 1 - position) & 1:
                at_start = False
        if found[2]:
            length = int(found[2])
            result = result >> (width - length) << (width - length) if length <= width else result
            return f"{type(address)(result)}/{length}"
        return str(type(address)(result))

    def _turns(self, version: int, position: int, leading: int) -> bool:
        prefix = f"{version}/{position}/{leading:x}"
        return bool(hmac.digest(self.key, prefix.encode(), hashlib.sha256)[0] & 1)

    def _digest(self, text: str) -> str:
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()[:6]


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _names_of(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Kind and name of everything that was named by a person."""
    yield "project", snapshot.project
    for found in snapshot.kubernetes.get("v1/ConfigMap", ()):
        if domain := (found.get("data") or {}).get("domain"):
            yield "domain", domain
    for path, resource in snapshot.compute.items():
        collection = path.rpartition("/")[0].rpartition("/")[2]
        if collection not in ("regions", "zones", "machineTypes", "routes") and resource.get("name"):
            yield collection.lower().rstrip("s") or "project", str(resource["name"])
    for kind, objects in snapshot.kubernetes.items():
        if kind.rpartition("/")[2] in ("Namespace", "Service", "Node"):
            for found in objects:
                yield kind.rpartition("/")[2].lower(), found["metadata"]["name"]

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
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import msgspec

from dualstack.cni import CNIS
from dualstack.model.names import ROUTE_DESCRIPTION, route_prefix
from dualstack.snapshot.document import Snapshot
from dualstack.snapshot.named import CONTAINERS, KEPT_NAMES, POOLS, PROGRAM, named, structural_keys

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
_KEPT_LABELS = re.compile(r"(kubernetes\.io|k8s\.io|gardener\.cloud|cloud\.google\.com|dualstack\.dev)(/|$)")
_PLAIN_LABELS = re.compile(
    r"(topology\.kubernetes\.io|failure-domain\.beta\.kubernetes\.io|kubernetes\.io/(arch|os|hostname|metadata\.name)|"
    r"node\.kubernetes\.io/instance-type|node-role\.kubernetes\.io|beta\.kubernetes\.io/(arch|os|instance-type))(/|$)"
)
"""Labels whose values are of the platform, or names that are replaced everywhere."""
_PLAIN = re.compile(r"|true|false|internal|external|\d+(\.\d+)*|v\d+(\.\d+)+[-+.\w]*", re.IGNORECASE)
"""Values that name nothing."""
_EMAIL = re.compile(r"[\w.+-]+@([\w-]+\.)*(?P<end>gserviceaccount\.com|[\w-]+\.[a-z]{2,})")
_HOST = re.compile(r"(?<![\w.@-])(?!compute\.)(?P<name>(?:[A-Za-z0-9_-]+\.)+)(?P<top>[a-z]{2,})(?![\w-]|\.\w)")
_KEPT_HOSTS = re.compile(
    r"(^|\.)((x-)?k8s\.io|kubernetes\.io|gardener\.cloud|sapcloud\.io|googleapis\.com|google\.com|"
    rf"cluster\.local|internal|dualstack\.dev|gserviceaccount\.com|example|"
    rf"{'|'.join(re.escape(cni.domain) for cni in CNIS if cni.domain)})$"
)
_FILES = frozenset({"json", "conf", "yaml", "yml", "sock", "log", "sh", "crt", "key", "pem", "toml", "service", "svc"})
"""Endings of files, which are no domains."""
_MANAGERS = re.compile(r"terraform|pulumi|config connector|cnrm|crossplane|deployment manager", re.IGNORECASE)
"""What a description may name: the program that manages a resource (finding subnet-manager)."""
_FLAGS = frozenset(
    {
        "cluster-name", "cluster-cidr", "service-cluster-ip-range", "configure-cloud-routes", "allocate-node-cidrs",
        "cidr-allocator-type", "controllers", "managed-record-types", "cloud-provider", "proxy-mode", "feature-gates",
        "hostname-override", "ipv6-cluster-cidr",
    }
)  # fmt: skip
"""The flags whose values checks read, or which say nothing about the owner."""
_LABELS = ("labels", "matchLabels", "selector", "nodeSelector", "userLabels", "resourceLabels")
"""Objects of labels; a selector may also have parts."""
_MANAGER_LABELS = ("goog-terraform-provisioned", "managed-by-cnrm")
_MACHINE = ("machineID", "systemUUID", "bootID")


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
                return self._string(value, name)
            case list():
                return [self.value(each, name) for each in value]
            case dict():
                if name == "annotations":
                    return {key: self._plain(text) for key, text in value.items() if _KEPT_LABELS.search(key)}
                if name in _LABELS and not any(isinstance(each, dict | list) for each in value.values()):
                    return dict(self._label(key, each) for key, each in value.items())
                return {self.text(key): self._entry(name, key, each) for key, each in value.items()}
            case _:
                return value

    def _entry(self, inside: str, key: str, value: Any) -> Any:
        """The value of a key; inside: the key of the list or object around it."""
        if key in _OF_SHOOT:
            return self._digest(value)
        return self._word(value) if inside in CONTAINERS and key == "name" else self.value(value, key)

    def _string(self, value: str, name: str) -> str:
        match name:
            case "description":
                return self._description(value)
            case "image":
                return self._image(value)
            case "url":
                scheme, _, rest = value.partition("://")
                host, slash, path = rest.partition("/")
                return f"{scheme}://{self.text(host)}{slash}{self._digest(path) if path else ''}"
            case "command" | "args":
                return self._word(value)
            case _ if name in _MACHINE:
                return self._digest(value)
            case _:
                return self.text(value)

    def text(self, text: str) -> str:
        """The text with every name of the snapshot, every address, account and host replaced."""
        if (known := self._known.get(text)) is None:
            known = _EMAIL.sub(self._account, text)
            known = _ADDRESS.sub(self._address, self._pattern.sub(self._name, known))
            self._known[text] = known = _HOST.sub(self._host, known)
        return known

    def _plain(self, text: Any) -> Any:
        """A value that may be free text: kept if it names nothing, or only what is replaced everywhere."""
        if not isinstance(text, str) or _PLAIN.fullmatch(text) or text in KEPT_NAMES:
            return text
        changed = self.text(text)
        whole = text in self._names or _ADDRESS.fullmatch(text)
        return changed if whole else f"value-{self._digest(text)}"

    def _description(self, text: str) -> str:
        if text == ROUTE_DESCRIPTION or text.startswith("dualstack-") or not text:
            return self.text(text)
        if text.startswith("{") and "kubernetes.io/" in text:  # of a load balancer: the Service
            return self.text(text)
        managers = [found.lower() for found in _MANAGERS.findall(text)]
        return " ".join([*managers, f"text-{self._digest(text)}"])

    def _image(self, text: str) -> str:
        """The program, if many clusters run it, and the version."""
        path, _, digest = text.partition("@")
        program, _, version = path.rpartition("/")[2].partition(":")
        shown = program if PROGRAM.match(program) else f"image-{self._digest(program)}"
        tail = f":{version}" if _PLAIN.fullmatch(version) and version else ""
        return f"registry.example/{shown}{tail}{'@' if digest else ''}{digest}"

    def _word(self, text: str) -> str:
        """A word of a command line: flags keep their names, and their values where checks read them."""
        flag, equals, value = text.partition("=")
        if not flag.startswith("-"):
            program = text.rpartition("/")[2]
            return program if PROGRAM.fullmatch(program) or program in KEPT_NAMES else f"word-{self._digest(text)}"
        if not equals:
            return self.text(flag)
        return f"{self.text(flag)}={self.text(value) if flag.lstrip('-') in _FLAGS else self._plain(value)}"

    def _account(self, found: re.Match[str]) -> str:
        end = "gserviceaccount.com" if found["end"] == "gserviceaccount.com" else "mail.example"
        return f"account-{self._digest(found[0])}@{end}"

    def _host(self, found: re.Match[str]) -> str:
        host = found[0]
        if found["top"] in _FILES or _KEPT_HOSTS.search(host) or host in KEPT_NAMES:
            return host
        return f"host-{self._digest(host)}.example"

    def _label(self, key: str, value: Any) -> tuple[str, Any]:
        """A label: those of Kubernetes, Google Cloud and platforms keep their key; of others the value is replaced."""
        if key in (*_MANAGER_LABELS, *POOLS) or _PLAIN_LABELS.search(key):
            return key, self.value(value)
        if _KEPT_LABELS.search(key):
            return key, self._plain(value)
        kept = key in ("app", "k8s-app") and value in KEPT_NAMES
        known = key if key in ("app", "k8s-app") else f"label-{self._digest(key)}"
        return known, value if kept or not isinstance(value, str) else f"value-{self._digest(value)}"

    @cached_property
    def _names(self) -> dict[str, str]:
        """Each name with its replacement. Names of a cluster's machines keep their form: only its own name changes."""
        found, keys = dict(self._clusters), structural_keys(self.snapshot)
        for kind, name in named(self.snapshot):
            inherited = any(name.startswith(f"{cluster}-") for cluster in self._clusters)
            if len(name) > 2 and name not in KEPT_NAMES and name not in keys and not inherited:
                found.setdefault(name, self._number(name) if name.isdigit() else f"{kind}-{self._digest(name)}")
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
        return {name: f"cluster-{self._digest(name)}" for name in sorted(flags - KEPT_NAMES)} | found

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

    def _number(self, text: str) -> str:
        return str(int(self._digest(text), 16) + 10**11)

    def _digest(self, text: str) -> str:
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()[:6]


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None

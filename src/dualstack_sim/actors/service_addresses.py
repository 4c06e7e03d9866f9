"""Allocates the cluster IPs of Services as kube-apiserver does: an admission hook of the simulated API.

The ranges are those of the *running* kube-apiserver: while its pods are replaced, the old ranges apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from dualstack.model.kinds import DEPLOYMENT, POD, SERVICE, Kind, Manifest
from dualstack_sim.actors.pods import is_active, is_ready
from dualstack_sim.kube.preparation import Operation
from dualstack_sim.kube.status import Cause, StatusError, invalid, invalid_value
from dualstack_sim.kube.store import KubeStore

Network = IPv4Network | IPv6Network
Spec = dict[str, Any]

FLAG = "--service-cluster-ip-range="
_DUAL = ("PreferDualStack", "RequireDualStack")
_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")
_STATIC_BAND = 256
"""Dynamic addresses start above the range's static band (at most 256 addresses)."""


def ranges_of(pod_spec: Spec) -> tuple[Network, ...]:
    """The service ranges in the command of a pod's first container, primary first; empty without the flag."""
    containers = pod_spec.get("containers") or [{}]
    words = [*(containers[0].get("command") or ()), *(containers[0].get("args") or ())]
    text = next((word.removeprefix(FLAG) for word in words if word.startswith(FLAG)), "")
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def family_of(network_or_address: Any) -> str:
    return f"IPv{network_or_address.version}"


@dataclass(frozen=True, slots=True)
class Faults:
    """Makes the errors of one Service."""

    name: str

    def refuse(self, *causes: Cause) -> StatusError:
        return invalid("", "Service", self.name, causes)


class ServiceAddresses:
    """Register with `store.admission.register("", "services", ServiceAddresses(store, namespace))`."""

    def __init__(self, store: KubeStore, namespace: str) -> None:
        """`namespace` is that of the Deployment `kube-apiserver`."""
        self._store = store
        self._namespace = namespace
        self._known: tuple[Network, ...] = ()

    def __call__(self, operation: Operation, kind: Kind, old: Manifest | None, new: Manifest) -> Manifest:
        """Set families, policy and addresses of a Service. StatusError as from the API server."""
        spec = new.setdefault("spec", {})
        if spec.get("type", "ClusterIP") not in _TYPES:
            return new
        ranges = self.ranges()
        if not ranges:
            return new
        faults = Faults(new["metadata"].get("name") or new["metadata"].get("generateName", ""))
        _normalise(spec)
        if old is not None and (old.get("spec") or {}).get("type", "ClusterIP") in _TYPES:
            _carry_over(old["spec"], spec)
            _check_primary_family(old["spec"], spec, faults)
        _settle_families(spec, ranges, faults, unchanged=old is not None and _same_request(old["spec"], spec))
        if spec.get("clusterIP") != "None":
            self._allocate(new, spec, ranges, faults)
        return new

    def ranges(self) -> tuple[Network, ...]:
        """The current service ranges, primary first. During a rollout those of the old pods apply."""
        pods = [
            pod
            for pod in self._store.list(POD, self._namespace, labels="role=kube-apiserver")
            if is_active(pod) and is_ready(pod)
        ]
        served = {ranges_of(pod["spec"]) for pod in pods} - {()}
        if len(served) == 1:
            self._known = served.pop()
        elif not self._known:
            deployment = self._store.get(DEPLOYMENT, "kube-apiserver", self._namespace)
            return ranges_of(deployment["spec"]["template"]["spec"]) if deployment is not None else ()
        return self._known

    def _allocate(self, service: Manifest, spec: Spec, ranges: Sequence[Network], faults: Faults) -> None:
        """One address for each family: the requested one if it is free and in range, else the lowest free one."""
        asked: list[str] = list(spec.get("clusterIPs") or ())
        families: list[str] = spec["ipFamilies"]
        mine = (service["metadata"].get("namespace"), service["metadata"].get("name"))
        taken = set(self._taken(mine))
        result = []
        for position, family in enumerate(families):
            network = next(each for each in ranges if family_of(each) == family)
            if position < len(asked):
                result.append(_checked(asked, position, network, taken, faults))
            else:
                result.append(_lowest_free(network, taken, faults))
        spec["clusterIPs"], spec["clusterIP"] = result, result[0]

    def _taken(self, mine: tuple[str | None, str | None]) -> Iterable[str]:
        for service in self._store.list(SERVICE):
            metadata = service["metadata"]
            if (metadata.get("namespace"), metadata.get("name")) != mine:
                yield from (each for each in service["spec"].get("clusterIPs") or () if each != "None")


def _normalise(spec: Spec) -> None:
    """Make clusterIP and clusterIPs[0] equal."""
    single, several = spec.get("clusterIP"), spec.get("clusterIPs")
    if single and not several:
        spec["clusterIPs"] = [single]
    elif several and not single:
        spec["clusterIP"] = several[0]


def _carry_over(old: Spec, new: Spec) -> None:
    """Keep fields that an update omits. A change to SingleStack drops the second family and address."""
    if not new.get("clusterIP") and old.get("clusterIP"):
        new["clusterIP"], new["clusterIPs"] = old["clusterIP"], list(old.get("clusterIPs") or [old["clusterIP"]])
    new.setdefault("ipFamilyPolicy", old.get("ipFamilyPolicy"))
    if not new.get("ipFamilies") and old.get("ipFamilies"):
        new["ipFamilies"] = list(old["ipFamilies"])
    turned = old.get("ipFamilyPolicy") in _DUAL and new.get("ipFamilyPolicy") == "SingleStack"
    for name in ("clusterIPs", "ipFamilies"):
        if turned and new.get(name) == old.get(name):
            new[name] = (new.get(name) or [])[:1]


def _check_primary_family(old: Spec, new: Spec, faults: Faults) -> None:
    """The primary family is immutable. The server validates the primary address."""
    families, wanted = old.get("ipFamilies") or [], new.get("ipFamilies") or []
    if families and wanted and families[0] != wanted[0]:
        raise faults.refuse(invalid_value("spec.ipFamilies[0]", f'"{wanted[0]}"', "may not change once set"))


def _same_request(old: Spec, new: Spec) -> bool:
    """Whether an update does not change families and addresses. PreferDualStack then adds no family."""
    names = ("ipFamilyPolicy", "ipFamilies", "clusterIPs")
    return all(old.get(name) == new.get(name) for name in names)


def _settle_families(spec: Spec, ranges: Sequence[Network], faults: Faults, *, unchanged: bool) -> None:
    """Set policy and families from the request, its addresses and the ranges of the cluster."""
    served = [family_of(each) for each in ranges]
    addresses = [each for each in spec.get("clusterIPs") or () if each != "None"]
    families: list[str] = list(spec.get("ipFamilies") or ())
    families += [family_of(_address(addresses, position, faults)) for position in range(len(families), len(addresses))]
    policy = spec.get("ipFamilyPolicy") or ("RequireDualStack" if len(families) == 2 else "SingleStack")
    if policy == "SingleStack" and len(families) > 1:
        detail = "must be 'RequireDualStack' or 'PreferDualStack' when multiple ipFamilies are specified"
        raise faults.refuse(invalid_value("spec.ipFamilyPolicy", f'"{policy}"', detail))
    if policy == "RequireDualStack" and len(served) < 2:
        detail = "this cluster is not configured for dual-stack services"
        raise faults.refuse(invalid_value("spec.ipFamilyPolicy", f'"{policy}"', detail))
    for position, family in enumerate(families):
        if family not in served:
            detail = "not configured on this cluster"
            raise faults.refuse(invalid_value(f"spec.ipFamilies[{position}]", f'"{family}"', detail))
    families = families or served[:1]
    if policy in _DUAL and len(families) == 1 and not unchanged:
        families += [family for family in served if family not in families]
    spec["ipFamilyPolicy"], spec["ipFamilies"] = policy, families


def _address(texts: Sequence[str], position: int, faults: Faults) -> Any:
    try:
        return ip_address(texts[position])
    except ValueError:
        field = f"spec.clusterIPs[{position}]"
        detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        raise faults.refuse(invalid_value(field, f'"{texts[position]}"', detail)) from None


def _checked(asked: Sequence[str], position: int, network: Network, taken: set[str], faults: Faults) -> str:
    """The requested address, if it is available."""
    text = asked[position]
    address = _address(asked, position, faults)
    if address not in network:
        why = (
            f"failed to allocate IP {text}: the provided IP ({text}) is not in the valid range. "
            f"The range of valid IPs is {network}"
        )
    elif str(address) in taken:
        why = f"failed to allocate IP {text}: provided IP is already allocated"
    else:
        return str(address)
    raise faults.refuse(invalid_value("spec.clusterIPs", _strings(asked), why))


def _lowest_free(network: Network, taken: set[str], faults: Faults) -> str:
    size = network.num_addresses
    band = min(max(16, size // 16), _STATIC_BAND)
    for offset in (*range(band + 1, size - 1), *range(1, band + 1)):
        if offset < size - 1 and str(network[offset]) not in taken:
            return str(network[offset])
    why = "failed to allocate a serviceIP: range is full"
    raise faults.refuse(invalid_value("spec.clusterIPs", "[]string(nil)", why))


def _strings(values: Iterable[str]) -> str:
    """A list as formatted by Go's %#v."""
    return "[]string{" + ", ".join(f'"{value}"' for value in values) + "}"

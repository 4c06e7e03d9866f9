"""Allocates the cluster IPs of Services as kube-apiserver does: an admission hook of the simulated API.

The ranges are those of the *running* kube-apiserver: while its pods are replaced, the old ranges apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from dualstack.model.kinds import DEPLOYMENT, POD, SERVICE, Kind, Manifest
from dualstack.model.workloads import flags_of
from dualstack_sim.actors.pods import is_active, is_ready
from dualstack_sim.kube.objects import encoded
from dualstack_sim.kube.preparation import Operation
from dualstack_sim.kube.status import (
    Cause,
    StatusError,
    forbidden_value,
    invalid,
    invalid_value,
    unsupported_value,
)
from dualstack_sim.kube.store import KubeStore

Network = IPv4Network | IPv6Network
Spec = dict[str, Any]

FLAG = "service-cluster-ip-range"
_DUAL = ("PreferDualStack", "RequireDualStack")
_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")
_NODE_PORTS = range(30000, 32768)
_STATIC_BAND = 256
"""Dynamic addresses start above the range's static band (at most 256 addresses)."""


def ranges_of(pod_spec: Spec) -> tuple[Network, ...]:
    """The service ranges in the command of kube-apiserver, primary first; empty without the flag."""
    text = flags_of({"spec": pod_spec}).get(FLAG, "")
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

    def __init__(
        self,
        store: KubeStore,
        namespace: str,
        labels: str = "role=apiserver",
        control_plane: KubeStore | None = None,
    ) -> None:
        """`namespace` and `labels` select the pods of kube-apiserver. Before they exist, its Deployment counts.

        control_plane: the API server with these; None: `store`.
        """
        self._store = store
        self._control_plane = control_plane or store
        self._namespace = namespace
        self._labels = labels
        self._known: tuple[Network, ...] = ()

    def __call__(self, operation: Operation, kind: Kind, old: Manifest | None, new: Manifest) -> Manifest:
        """Set families, policy and addresses of a Service. StatusError as from the API server."""
        spec = new.setdefault("spec", {})
        self._check_node_ports(new, spec)
        ranges = self.ranges()
        if not ranges:
            return new
        faults = Faults(new["metadata"].get("name") or new["metadata"].get("generateName", ""))
        before = _needing_address(old["spec"] if old is not None else None)
        if spec.get("type", "ClusterIP") not in _TYPES:
            _check_external_name(before, spec, faults)
            return new
        _normalise(spec, faults, new=old is None)
        if before is not None:
            _follow_address(before, spec)
            _carry_over(before, spec)
            if _same_request(before, spec):
                # A PreferDualStack Service does not change with the families of the cluster.
                return new
        _default_policy(spec)
        _check_fields(spec, faults)
        if before is not None:
            _release(before, spec, faults)
        _settle_families(spec, ranges, faults)
        if not _is_headless(spec):
            self._allocate(new, spec, ranges, faults)
        return new

    def _check_node_ports(self, new: Manifest, spec: Spec) -> None:
        """Ports of nodes that are out of range, or those of another Service."""
        wanted = [(at, port["nodePort"]) for at, port in enumerate(spec.get("ports") or ()) if port.get("nodePort")]
        if not wanted:
            return
        mine = (new["metadata"].get("namespace"), new["metadata"].get("name"))
        taken = {
            port.get("nodePort")
            for service in self._store.list(SERVICE)
            if (service["metadata"].get("namespace"), service["metadata"].get("name")) != mine
            for port in service["spec"].get("ports") or ()
        }
        causes = []
        for at, number in wanted:
            field = f"spec.ports[{at}].nodePort"
            if number not in _NODE_PORTS:
                detail = "provided port is not in the valid range. The range of valid ports is 30000-32767"
                causes.append(invalid_value(field, str(number), detail))
            elif number in taken:
                causes.append(invalid_value(field, str(number), "provided port is already allocated"))
        if causes:
            raise Faults(new["metadata"].get("name", "")).refuse(*causes)

    def ranges(self) -> tuple[Network, ...]:
        """The current service ranges, primary first. During a rollout those of the old pods apply."""
        pods = [
            pod
            for pod in self._control_plane.list(POD, self._namespace, labels=self._labels)
            if is_active(pod) and is_ready(pod)
        ]
        served = {ranges_of(pod["spec"]) for pod in pods} - {()}
        if len(served) == 1:
            self._known = served.pop()
        elif not self._known:
            deployment = self._control_plane.get(DEPLOYMENT, "kube-apiserver", self._namespace)
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


def _needing_address(spec: Spec | None) -> Spec | None:
    """The spec of a Service of a type that has cluster IPs; None for any other."""
    return spec if spec is not None and spec.get("type", "ClusterIP") in _TYPES else None


def _is_headless(spec: Spec) -> bool:
    return bool(spec.get("clusterIP") == "None")


def _is_free_of_the_cluster(spec: Spec) -> bool:
    """Headless and without a selector: its addresses are those of its own Endpoints, so any family is allowed
    (docs/reference/kubernetes.md#headless-without-selector)."""
    return _is_headless(spec) and not spec.get("selector")


def _check_external_name(before: Spec | None, spec: Spec, faults: Faults) -> None:
    """An ExternalName Service has no families and no addresses. A change of the type drops unchanged ones."""
    names = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
    for name in names:
        if before is not None and spec.get(name) == before.get(name):
            spec.pop(name, None)
    if wrong := [name for name in names[1:] if spec.get(name)]:
        detail = "may not be set for ExternalName services"
        raise faults.refuse(*(forbidden_value(f"spec.{name}", detail) for name in wrong))


def _normalise(spec: Spec, faults: Faults, *, new: bool) -> None:
    """Make clusterIP and clusterIPs[0] equal."""
    single, several = spec.get("clusterIP"), spec.get("clusterIPs")
    if single and not several:
        spec["clusterIPs"] = [single]
    elif several and not single:
        if new:
            detail = "must be empty when `clusterIP` is not specified"
            raise faults.refuse(invalid_value("spec.clusterIPs", _strings(several), detail))
        spec["clusterIP"] = several[0]


def _follow_address(old: Spec, new: Spec) -> None:
    """A change of clusterIP alone is one of clusterIPs[0] too."""
    single, several = new.get("clusterIP"), new.get("clusterIPs")
    if single and several and single != old.get("clusterIP") and several == old.get("clusterIPs"):
        new["clusterIPs"] = [single, *several[1:]]


def _carry_over(old: Spec, new: Spec) -> None:
    """Keep the fields that an update omits."""
    if not new.get("clusterIP") and old.get("clusterIP"):
        new["clusterIP"], new["clusterIPs"] = old["clusterIP"], list(old.get("clusterIPs") or [old["clusterIP"]])
    for name in ("ipFamilyPolicy", "ipFamilies"):
        if not new.get(name) and old.get(name):
            new[name] = copy(old[name])


def _same_request(old: Spec, new: Spec) -> bool:
    """Whether an update does not change families and addresses, and both have been set."""
    names = ("ipFamilyPolicy", "ipFamilies", "clusterIPs")
    return all(old.get(name) and old.get(name) == new.get(name) for name in names)


def _default_policy(spec: Spec) -> None:
    if not spec.get("ipFamilyPolicy"):
        spec["ipFamilyPolicy"] = "RequireDualStack" if _is_free_of_the_cluster(spec) else "SingleStack"


def _check_fields(spec: Spec, faults: Faults) -> None:
    """What the fields may be, whatever the cluster."""
    policy, families = spec["ipFamilyPolicy"], spec.get("ipFamilies") or []
    addresses = spec.get("clusterIPs") or []
    causes = []
    if policy not in ("SingleStack", *_DUAL):
        supported = ("SingleStack", "PreferDualStack", "RequireDualStack")
        causes.append(unsupported_value("spec.ipFamilyPolicy", f'"{policy}"', supported))
    causes += [
        unsupported_value(f"spec.ipFamilies[{at}]", f'"{family}"', ("IPv4", "IPv6"))
        for at, family in enumerate(families)
        if family not in ("IPv4", "IPv6")
    ]
    for name, values in (("ipFamilies", families), ("clusterIPs", addresses)):
        if len(values) > 2:
            causes.append(invalid_value(f"spec.{name}", _strings(values), "may only hold up to 2 values"))
    if len(families) == 2 and families[0] == families[1]:
        causes.append(Cause("FieldValueDuplicate", f'Duplicate value: "{families[1]}"', "spec.ipFamilies[1]"))
    if len(addresses) > 1 and "None" in addresses:
        causes.append(invalid_value("spec.clusterIPs", _strings(addresses), "'None' must be the first and only value"))
    if spec.get("clusterIP") and addresses[:1] != [spec["clusterIP"]]:
        causes.append(invalid_value("spec.clusterIPs[0]", f'"{addresses[0]}"', "first value must match `clusterIP`"))
    if _is_headless(spec) and spec.get("type", "ClusterIP") != "ClusterIP":
        detail = f"may not be set to 'None' for {spec['type']} services"
        causes.append(invalid_value("spec.clusterIPs[0]", '"None"', detail))
    if causes:
        raise faults.refuse(*causes)
    if not _is_headless(spec):
        _check_addresses(addresses, families, faults)


def _check_addresses(addresses: Sequence[str], families: Sequence[str], faults: Faults) -> None:
    of_addresses = [family_of(_address(addresses, at, faults)) for at in range(len(addresses))]
    causes = []
    if len(of_addresses) == 2 and of_addresses[0] == of_addresses[1]:
        detail = "may specify no more than one IP for each IP family"
        causes.append(invalid_value("spec.clusterIPs", _strings(addresses), detail))
    causes += [
        invalid_value(
            f"spec.clusterIPs[{at}]",
            f'"{addresses[at]}"',
            f"expected an {wanted} value as indicated by `ipFamilies[{at}]`",
        )
        for at, (found, wanted) in enumerate(zip(of_addresses, families, strict=False))
        if found != wanted
    ]
    if causes:
        raise faults.refuse(*causes)


def _release(old: Spec, new: Spec, faults: Faults) -> None:
    """A change to SingleStack alone drops the second family and address; without it they may not be dropped."""
    policy, causes = new["ipFamilyPolicy"], []
    for name, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        before, after = old.get(name) or [], new.get(name) or []
        if policy == "SingleStack":
            if before == after:
                new[name] = after[:1]
        elif len(before) == 2 and len(after) == 1 and not _is_headless(new):
            detail = f"must be 'SingleStack' to release the secondary {what}"
            causes.append(invalid_value("spec.ipFamilyPolicy", f'"{policy}"', detail))
    if causes:
        raise faults.refuse(*causes)


def _settle_families(spec: Spec, ranges: Sequence[Network], faults: Faults) -> None:
    """Set the families from the request, its addresses and the ranges of the cluster."""
    served = [family_of(each) for each in ranges]
    addresses = [each for each in spec.get("clusterIPs") or () if each != "None"]
    families: list[str] = list(spec.get("ipFamilies") or ())
    policy, causes = spec["ipFamilyPolicy"], []
    if policy == "SingleStack":
        causes = [
            invalid_value(
                "spec.ipFamilyPolicy",
                '"SingleStack"',
                f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified",
            )
            for what, values in (("cluster IPs", addresses), ("IP families", families))
            if len(values) == 2
        ]
    for at in range(len(families), len(addresses)):
        family = family_of(_address(addresses, at, faults))
        families.append(family)
        if family not in served:
            detail = f"{family} is not configured on this cluster"
            causes.append(invalid_value(f"spec.clusterIPs[{at}]", _strings(addresses), detail))
    if causes:
        raise faults.refuse(*causes)
    if not _is_free_of_the_cluster(spec):
        if policy == "RequireDualStack" and len(served) < 2:
            detail = "this cluster is not configured for dual-stack services"
            causes.append(invalid_value("spec.ipFamilyPolicy", f'"{policy}"', detail))
        causes += [
            invalid_value(f"spec.ipFamilies[{at}]", f'"{family}"', "not configured on this cluster")
            for at, family in enumerate(families)
            if family not in served
        ]
    if causes:
        raise faults.refuse(*causes)
    families = families or served[:1]
    possible = ("IPv4", "IPv6") if _is_free_of_the_cluster(spec) else served
    if policy in _DUAL and len(families) == 1:
        families += [family for family in possible if family not in families]
    spec["ipFamilies"] = families


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
        why = f"failed to allocate IP {text}: the provided network does not match the current range"
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
    """A list as an error shows it: JSON."""
    return encoded(list(values)).decode()

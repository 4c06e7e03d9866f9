"""Checks of the workloads' objects: what dual-stack does not change by itself, and what holds up a replacement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from dualstack.gce import Resource
from dualstack.gce.resources import last_segment
from dualstack.model.enumeration import listed
from dualstack.model.json_path import dig
from dualstack.preflight.check import Check, Problem
from dualstack.preflight.inventory import Inventory

INTERNAL = ("networking.gke.io/load-balancer-type", "cloud.google.com/load-balancer-type")
"""The annotations of a Service with an internal load balancer."""


@Check(
    "ipv4-only-services",
    "note",
    reads=("services",),
    fine="no Service outside of kube-system is bound to IPv4",
    consequence="it stays reachable over IPv4 only, also from dual-stack pods",
    remedy="change the policy of each Service whose pods listen on IPv6, after the migration",
)
def ipv4_only_services(inventory: Inventory) -> Iterator[Problem]:
    """A Service keeps its families (docs/reference/kubernetes.md#services-keep-families)."""
    found = [
        service
        for service in inventory.of("services")
        if _namespace(service) != "kube-system" and _name(service) != "default/kubernetes"
        if service["spec"].get("type") != "ExternalName"
        and service["spec"].get("ipFamilyPolicy", "SingleStack") == "SingleStack"
        and service["spec"].get("ipFamilies", ["IPv4"]) == ["IPv4"]
    ]
    if found:
        namespace, name = _namespace(found[0]), found[0]["metadata"]["name"]
        fix = (
            f"kubectl --namespace {namespace} patch service {name} "
            """--patch '{"spec":{"ipFamilyPolicy":"PreferDualStack"}}'"""
        )
        yield Problem(_counted("Service", found), "ipFamilyPolicy is SingleStack", fix=fix)


@Check(
    "load-balancers",
    "risk",
    reads=("services", "forwarding rules"),
    fine="no Service has a load balancer that must be created anew for IPv6",
    consequence="it stays IPv4, and dual-stack needs another load balancer with another address",
    remedy="reserve its address if clients depend on it, create a second Service with annotation "
    "cloud.google.com/l4-rbs: enabled, move DNS to it, then delete the first",
)
def load_balancers(inventory: Inventory) -> Iterator[Problem]:
    """Target pools are IPv4 only (docs/reference/kubernetes.md#load-balancer-kinds)."""
    rules = {rule.get("IPAddress"): rule for rule in inventory.of("forwarding rules")}
    for service in inventory.of("services"):
        if service["spec"].get("type") != "LoadBalancer":
            continue
        addresses = [entry.get("ip") for entry in dig(service, "status", "loadBalancer", "ingress") or ()]
        targets = [rules[address].get("target", "") for address in addresses if address in rules]
        about, shown = f"Service {_name(service)}", listed(addresses) or "none yet"
        annotations = service["metadata"].get("annotations") or {}
        if any(str(annotations.get(each, "")).lower() == "internal" for each in INTERNAL):
            yield Problem(about, f"internal load balancer, address {shown}")
        elif any("/targetPools/" in target for target in targets):
            yield Problem(about, f"external load balancer with a target pool, address {shown}")
        elif addresses and not targets:
            yield Problem(about, f"no forwarding rule of the project has its address {shown}")


@Check(
    "network-policies",
    "risk",
    reads=("network policies", "policies of the CNI"),
    fine="no policy names IPv4 ranges only",
    consequence="its ranges match nothing over IPv6: what it allows is blocked there, and what it denies or excepts is "
    "open where another policy allows the traffic",
    remedy="add a rule for IPv6 next to each such rule before Services become dual-stack",
)
def network_policies(inventory: Inventory) -> Iterator[Problem]:
    """A range matches its own family only (docs/reference/kubernetes.md#policies-by-family)."""
    for policy in inventory.of("network policies"):
        bare = [block for rule in _rules(policy) if (block := _without_twin(rule)) is not None]
        if bare:
            excepted = " with exceptions" if any(block.get("except") for block in bare) else ""
            names = listed(dict.fromkeys(block["cidr"] for block in bare))
            fix = "- ipBlock:\n    cidr: ::/0" if any(block["cidr"] == "0.0.0.0/0" for block in bare) else ""
            yield Problem(
                f"NetworkPolicy {_name(policy)}", f"a rule names {names}{excepted} and no IPv6 range", fix=fix
            )
    for policy in inventory.of("policies of the CNI"):
        found = list(_ranges(policy.get("spec") or policy.get("specs")))
        if found and all(":" not in text for text in found):
            yield Problem(f"{policy.get('kind', 'policy')} {_name(policy)}", f"it names {listed(found)}, no IPv6 range")


@Check(
    "webhook-addresses",
    "risk",
    reads=("webhooks",),
    fine="no admission webhook has an IP address in its URL",
    consequence="the webhook depends on one address and one family; if it fails, the API server refuses or skips what "
    "it admits",
    remedy="name the webhook by a DNS name or a Service, and check that its certificate is valid for that name",
)
def webhook_addresses(inventory: Inventory) -> Iterator[Problem]:
    """The API server calls the URL as it is (docs/reference/kubernetes.md#webhooks)."""
    for configuration in inventory.of("webhooks"):
        for webhook in configuration.get("webhooks") or ():
            host = str(urlsplit(str(dig(webhook, "clientConfig", "url"))).hostname)  # None is no address either
            if _is_address(host):
                failing = webhook.get("failurePolicy", "Fail")
                about = f"{configuration.get('kind', 'webhook')} {_name(configuration)}"
                yield Problem(about, f"webhook {webhook['name']} has address {host}, failurePolicy {failing}")


@Check(
    "webhooks-in-the-way",
    "risk",
    reads=("webhooks",),
    fine="no admission webhook with failurePolicy Fail intercepts pods of kube-system, Nodes or Leases",
    consequence="while its own pods are not reachable, nodes cannot join and pods of kube-system cannot start, which "
    "stops the replacement of the nodes",
    remedy="exclude kube-system with a namespaceSelector, or set failurePolicy Ignore during the replacement",
)
def webhooks_in_the_way(inventory: Inventory) -> Iterator[Problem]:
    """A webhook that fails closed stops what it intercepts (docs/reference/kubernetes.md#webhooks)."""
    for configuration in inventory.of("webhooks"):
        for webhook in configuration.get("webhooks") or ():
            if webhook.get("failurePolicy", "Fail") != "Fail" or webhook.get("objectSelector"):
                continue
            taken = sorted({what for rule in webhook.get("rules") or () for what in _intercepted(webhook, rule)})
            if taken:
                about = f"{configuration.get('kind', 'webhook')} {_name(configuration)}"
                yield Problem(about, f"webhook {webhook['name']} intercepts {', '.join(taken)}")


@Check(
    "disruption-budgets",
    "risk",
    reads=("disruption budgets",),
    fine="every PodDisruptionBudget allows an eviction",
    consequence="the drain of a node with such a pod waits, and its pool is not replaced in time",
    remedy="scale the workload up, or relax its budget during the replacement",
    cause="",
)
def disruption_budgets(inventory: Inventory) -> Iterator[Problem]:
    """The eviction API refuses what a budget does not allow (docs/reference/kubernetes.md#evictions)."""
    for budget in inventory.of("disruption budgets"):
        status, spec = budget.get("status") or {}, budget.get("spec") or {}
        if not status.get("expectedPods") or status.get("disruptionsAllowed"):
            continue
        never = spec.get("maxUnavailable") in (0, "0", "0%") or spec.get("minAvailable") == "100%"
        healthy = f"{status.get('currentHealthy', 0)} of {status['expectedPods']} pods are healthy"
        needed = f"{status.get('desiredHealthy', 0)} must be"
        yield Problem(
            f"PodDisruptionBudget {_name(budget)}",
            f"it never allows an eviction; {healthy}" if never else f"it allows no eviction now; {healthy}, {needed}",
        )


@Check(
    "external-dns",
    "risk",
    reads=("deployments",),
    fine="no Deployment of external-dns was found",
    consequence="it publishes AAAA records as soon as a Service or an Ingress gets an IPv6 address, and clients prefer "
    "them at once",
    remedy="limit it with --managed-record-types=A,CNAME until the IPv6 addresses are tested",
)
def external_dns(inventory: Inventory) -> Iterator[Problem]:
    """Clients prefer AAAA (docs/reference/kubernetes.md#aaaa-records)."""
    for deployment in inventory.of("deployments"):
        containers = dig(deployment, "spec", "template", "spec", "containers") or ()
        for container in containers:
            words = [*(container.get("command") or ()), *(container.get("args") or ())]
            typed = [word for word in words if str(word).startswith("--managed-record-types")]
            if "external-dns" in _image(container) and (not typed or any("AAAA" in str(word) for word in typed)):
                yield Problem(f"Deployment {_name(deployment)}", f"it runs {container['image']}")


def _intercepted(webhook: Mapping[str, Any], rule: Mapping[str, Any]) -> Iterator[str]:
    """What of the objects that a joining node needs the rule intercepts."""
    operations = set(rule.get("operations") or ("*",))
    groups, resources = set(rule.get("apiGroups") or ("*",)), set(rule.get("resources") or ("*",))
    scoped = _excludes_kube_system(webhook.get("namespaceSelector") or {})
    for group, resource, words in (
        ("", "pods", "pods of kube-system"),
        ("", "nodes", "Nodes"),
        ("coordination.k8s.io", "leases", "Leases"),
    ):
        concerns = (
            groups & {group, "*"} and resources & {resource, "*", "*/*"} and operations & {"CREATE", "UPDATE", "*"}
        )
        if concerns and (resource == "nodes" or not scoped):
            yield words


def _excludes_kube_system(selector: Mapping[str, Any]) -> bool:
    """Whether the selector may exclude kube-system: by any requirement, because labels of namespaces are not read."""
    return bool(selector.get("matchLabels") or selector.get("matchExpressions"))


def _rules(policy: Resource) -> Iterator[list[Mapping[str, Any]]]:
    spec = policy.get("spec") or {}
    for direction, key in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(direction) or ():
            yield rule.get(key) or []


def _without_twin(peers: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The first IPv4 block of a rule that has no IPv6 block."""
    blocks = [peer["ipBlock"] for peer in peers if peer.get("ipBlock")]
    if any(":" in block["cidr"] for block in blocks):
        return None
    return next(iter(blocks), None)


def _ranges(value: Any) -> Iterator[str]:
    """Every string in the value that is an address or a range of addresses."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _ranges(each)
    elif isinstance(value, list):
        for each in value:
            yield from _ranges(each)
    elif isinstance(value, str) and _is_address(value.partition("/")[0]):
        yield value


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _image(container: Mapping[str, Any]) -> str:
    """The name of the image without registry, tag and digest."""
    return last_segment(str(container.get("image"))).partition("@")[0].partition(":")[0]


def _namespace(item: Resource) -> str:
    return str(item["metadata"].get("namespace", "default"))


def _name(item: Resource) -> str:
    metadata = item["metadata"]
    return "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))


def _counted(noun: str, items: list[Resource]) -> str:
    names = listed(map(_name, items))
    return f"{noun} {names}" if len(items) == 1 else f"{len(items)} {noun}s: {names}"

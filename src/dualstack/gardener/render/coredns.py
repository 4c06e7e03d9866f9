"""CoreDNS and its Service kube-dns, in ManagedResource `shoot-core-coredns` (docs/reference/gardener.md#coredns)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dualstack.gardener.model.names import RESTARTED_AT
from dualstack.gardener.model.networks import Networks, dns_is_dual
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.families import from_migration_on
from dualstack.gardener.render.workload import tolerations
from dualstack.model.cidr import family
from dualstack.model.kinds import DEPLOYMENT, SERVICE, Manifest
from dualstack.model.manifests import config_map, manifest
from dualstack.model.memory import from_memory, with_memory
from dualstack.model.names import COREDNS, KUBE_DNS, KUBE_SYSTEM
from dualstack.model.parts import Part, Presence, UnknownShape, texts_at, value_at
from dualstack.model.workloads import with_template_annotation

_LABELS = {"k8s-app": "kube-dns"}
_POLICY = "ipFamilyPolicy"
_SINGLE_STACK = {_POLICY: "SingleStack"}
_COREFILE = """.:8053 {
  health {
    lameduck 15s
  }
  ready
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
    ttl 30
  }
  prometheus :9153
  loop
  forward . /etc/resolv.conf
  cache 30
  reload
  loadbalance round_robin
}
"""


def objects(shoot: ShootView, networks: Networks, *, restarted_at: str | None = None) -> list[Part]:
    """ConfigMap, Deployment and Service. `restarted_at`: the restart annotation of the pods, in RFC 3339.

    A migration changes that annotation, and the policy and the addresses of the Service.
    """

    def restarted(live: Manifest) -> Manifest:
        return live if restarted_at is None else with_template_annotation(live, RESTARTED_AT, restarted_at)

    addresses = networks.dns_ips if dns_is_dual(shoot) else networks.dns_ips[:1]
    return [
        Part(config_map(COREDNS, KUBE_SYSTEM, {"Corefile": _COREFILE}, _LABELS), presence=Presence.OPTIONAL),
        Part.of(_deployment(shoot), from_migration_on(shoot, restarted)),
        Part.of(
            _service(networks.dns_ips[:1]), from_migration_on(shoot, lambda live: _edited_service(live, addresses))
        ),
    ]


def _edited_service(live: Manifest, addresses: Sequence[str]) -> Manifest:
    """Service kube-dns: one address until the DNS constraint is True, then PreferDualStack with one of each family."""
    spec = value_at(live, dict, "spec")
    current = texts_at(live, "spec", "clusterIPs") or [value_at(live, str, "spec", "clusterIP")]
    if not all(current):
        raise UnknownShape(live, "it has no cluster IP")
    if len(addresses) < 2 and len(current) < 2:
        return live
    if len(addresses) < 2:
        live, policy = from_memory(live, _SINGLE_STACK)
    else:
        policy = {_POLICY: "PreferDualStack"}
        live = live if len(current) == 2 else with_memory(live, _SINGLE_STACK | _set_in(spec), _SINGLE_STACK)
    families = {"ipFamilies": [family(address) for address in addresses]} if spec.get("ipFamilies") else {}
    return {**live, "spec": {**spec, **policy, "clusterIPs": [current[0], *addresses[1:]], **families}}


def _set_in(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {_POLICY: spec[_POLICY]} if spec.get(_POLICY) else {}


def _deployment(shoot: ShootView) -> Manifest:
    """Two replicas, which tolerate the taints of the pools so that they can always be scheduled."""
    result = manifest(
        DEPLOYMENT,
        COREDNS,
        KUBE_SYSTEM,
        spec={
            "replicas": 2,
            "selector": {"matchLabels": _LABELS},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": _LABELS},
                "spec": {
                    "priorityClassName": "system-cluster-critical",
                    "tolerations": [
                        {"key": "CriticalAddonsOnly", "operator": "Exists"},
                        *tolerations(shoot.pools),
                    ],
                    "terminationGracePeriodSeconds": 30,
                    "containers": [
                        {
                            "name": COREDNS,
                            "image": "coredns/coredns:v1.12.2",
                            "args": ["-conf", "/etc/coredns/Corefile"],
                            "ports": [
                                {"name": "dns-udp", "containerPort": 8053, "protocol": "UDP"},
                                {"name": "dns-tcp", "containerPort": 8053, "protocol": "TCP"},
                            ],
                        }
                    ],
                },
            },
        },
    )
    result["metadata"]["labels"] = dict(_LABELS)
    return result


def _service(addresses: Sequence[str]) -> Manifest:
    result = manifest(
        SERVICE,
        KUBE_DNS,
        KUBE_SYSTEM,
        spec={
            "type": "ClusterIP",
            "selector": _LABELS,
            **_SINGLE_STACK,
            "clusterIP": addresses[0],
            "clusterIPs": list(addresses),
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 8053},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 8053},
                {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
            ],
        },
    )
    result["metadata"]["labels"] = {**_LABELS, "kubernetes.io/cluster-service": "true"}
    return result

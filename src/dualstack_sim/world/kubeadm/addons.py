"""What runs in the cluster besides its control plane: CoreDNS and CNI, workloads, and what a person adds to kubeadm."""

from __future__ import annotations

import yaml

from dualstack.cni import custom_kinds
from dualstack.gardener.model.networks import networks
from dualstack.gardener.render import network
from dualstack.gardener.render.kube_proxy import MODES
from dualstack.gardener.render.workload import tolerations
from dualstack.model.cidr import at_offset
from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, SERVICE, Kind, Manifest
from dualstack.model.manifests import config_map, daemon_set, manifest
from dualstack.model.names import COREDNS, KUBE_DNS, KUBE_PROXY, KUBE_SYSTEM
from dualstack.model.parts import rendered
from dualstack_sim.world.kubeadm.cluster import CONTROL_PLANE_ROLE, DNS_DOMAIN, Objects, VmCluster
from dualstack_sim.world.workloads import at_rest, services, web

END_POINT = "echo"
"""The DaemonSet whose pods are the end points of the observed traffic."""
_WEB_OFFSET = 20
_KINDS = {kind.kind: kind for kind in (CONFIG_MAP, DAEMON_SET, *custom_kinds())}
_MASQUERADE = "ip-masq-agent"
_COREFILE = f""".:53 {{
    errors
    health {{
       lameduck 5s
    }}
    ready
    kubernetes {DNS_DOMAIN} in-addr.arpa ip6.arpa {{
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    prometheus :9153
    forward . /etc/resolv.conf {{
       max_concurrent 1000
    }}
    cache 30
    loop
    reload
    loadbalance
}}
"""


def addons(cluster: VmCluster, nodes: int) -> Objects:
    """All objects, with Deployments at rest. nodes: those that run workloads."""
    objects: Objects = [
        *_dns(cluster),
        *_cni(cluster),
        *services(cluster.api_server, at_offset(cluster.shoot.services, _WEB_OFFSET)),
        (DAEMON_SET, _end_points()),
        *web(nodes, tolerations(cluster.shoot.pools)),
    ]
    return [(kind, at_rest(item)) for kind, item in objects]


def kube_proxy(cluster: VmCluster) -> Objects:
    """kube-proxy with its ConfigMap, if the description wants it."""
    if not cluster.shoot.kube_proxy_enabled:
        return []
    mode = MODES.get(cluster.shoot.proxy_mode, cluster.shoot.proxy_mode)
    content = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": "/var/lib/kube-proxy/kubeconfig.conf"},
        "clusterCIDR": cluster.shoot.pods,
        "mode": mode,
    }
    labels = {"k8s-app": KUBE_PROXY}
    proxy = daemon_set(
        KUBE_PROXY,
        f"registry.k8s.io/kube-proxy:v{cluster.shoot.kubernetes_version}",
        labels=labels,
        words=["/usr/local/bin/kube-proxy", "--config=/var/lib/kube-proxy/config.conf"],
    )
    data = {"config.conf": yaml.safe_dump(content, sort_keys=False)}
    return [(CONFIG_MAP, config_map(KUBE_PROXY, KUBE_SYSTEM, data, {"app": KUBE_PROXY})), (DAEMON_SET, proxy)]


def _dns(cluster: VmCluster) -> Objects:
    labels = {"k8s-app": KUBE_DNS}
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    deployment = manifest(
        DEPLOYMENT,
        COREDNS,
        KUBE_SYSTEM,
        spec={
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "priorityClassName": "system-cluster-critical",
                    "tolerations": [
                        {"key": "CriticalAddonsOnly", "operator": "Exists"},
                        {"key": CONTROL_PLANE_ROLE, "effect": "NoSchedule"},
                    ],
                    "containers": [
                        {
                            "name": COREDNS,
                            "image": "registry.k8s.io/coredns/coredns:v1.12.0",
                            "args": ["-conf", "/etc/coredns/Corefile"],
                            "ports": [
                                {"name": port["name"], "containerPort": 53, "protocol": port["protocol"]}
                                for port in ports
                            ],
                        }
                    ],
                },
            },
        },
    )
    service = manifest(
        SERVICE,
        KUBE_DNS,
        KUBE_SYSTEM,
        spec={
            "type": "ClusterIP",
            "selector": labels,
            "clusterIP": cluster.dns,
            "clusterIPs": [cluster.dns],
            "ports": [{**port, "targetPort": 53} for port in ports],
        },
    )
    for item in (deployment, service):
        item["metadata"]["labels"] = {**labels, "kubernetes.io/cluster-service": "true"}
    corefile = config_map(COREDNS, KUBE_SYSTEM, {"Corefile": _COREFILE})
    return [(CONFIG_MAP, corefile), (DEPLOYMENT, deployment), (SERVICE, service)]


def _cni(cluster: VmCluster) -> list[tuple[Kind, Manifest]]:
    """The CNI of the description, with native routing and addresses from the pod CIDRs of Nodes."""
    items = rendered(network.objects(cluster.shoot, networks(cluster.shoot)))
    return [(_KINDS[item["kind"]], item) for item in items]


def masquerading(cluster: VmCluster) -> Objects:
    """ip-masq-agent, which leaves packets between pods and nodes alone."""
    content = {"nonMasqueradeCIDRs": [cluster.shoot.pods, cluster.nodes_range], "masqLinkLocal": False}
    data = {"config": yaml.safe_dump(content, sort_keys=False)}
    labels = {"k8s-app": _MASQUERADE}
    agent = daemon_set(_MASQUERADE, "registry.k8s.io/networking/ip-masq-agent:v2.12.0", labels=labels)
    return [(CONFIG_MAP, config_map(_MASQUERADE, KUBE_SYSTEM, data)), (DAEMON_SET, agent)]


def _end_points() -> Manifest:
    result = daemon_set(
        END_POINT,
        "registry.k8s.io/e2e-test-images/agnhost:2.53",
        labels={"app": END_POINT},
        host_network=False,
        max_unavailable="100%",
    )
    result["metadata"]["namespace"] = "default"
    return result

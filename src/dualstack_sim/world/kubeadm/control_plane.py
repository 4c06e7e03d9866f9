"""The control plane: the static pods of `kubeadm init`, its ConfigMaps, and cloud-controller-manager as a DaemonSet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET
from dualstack.model.manifests import command, config_map, daemon_set
from dualstack.model.names import CLOUD_CONTROLLER_MANAGER, KUBE_SYSTEM
from dualstack_sim.world.kubeadm.addons import kube_proxy, masquerading
from dualstack_sim.world.kubeadm.cluster import CONTROL_PLANE_ROLE, DNS_DOMAIN, Objects, VmCluster
from dualstack_sim.world.kubeadm.static_pods import StaticPods

_PKI = "/etc/kubernetes/pki"
_CLOUD_CONFIG = "cloud-config"
ROUTES = {"configure-cloud-routes": "true", "controllers": "*,-node-ipam-controller"}
"""The flags of a cloud-controller-manager that creates routes for pod CIDRs of kube-controller-manager."""


def static_pods(cluster: VmCluster, node: str, label: str) -> StaticPods:
    """The static pods on the node with the control plane. label: as of `StaticPods`."""
    registry, version = "registry.k8s.io", f"v{cluster.shoot.kubernetes_version}"
    flags = {
        "etcd": _etcd(cluster),
        "kube-apiserver": _api_server(cluster),
        "kube-controller-manager": _controller_manager(cluster),
        "kube-scheduler": _scheduler(),
    }
    images = {name: f"{registry}/{name}:{version}" for name in flags}
    return StaticPods(node, label, {**images, "etcd": f"{registry}/etcd:3.5.21-0"}, flags)


def _etcd(cluster: VmCluster) -> dict[str, str]:
    address = cluster.control_plane_address
    return {
        "advertise-client-urls": f"https://{address}:2379",
        "data-dir": "/var/lib/etcd",
        "listen-client-urls": f"https://127.0.0.1:2379,https://{address}:2379",
    }


def _api_server(cluster: VmCluster) -> dict[str, str]:
    return {
        "advertise-address": cluster.control_plane_address,
        "allow-privileged": "true",
        "authorization-mode": "Node,RBAC",
        "client-ca-file": f"{_PKI}/ca.crt",
        "enable-admission-plugins": "NodeRestriction",
        "enable-bootstrap-token-auth": "true",
        "etcd-servers": "https://127.0.0.1:2379",
        "secure-port": "6443",
        "service-account-issuer": f"https://kubernetes.default.svc.{DNS_DOMAIN}",
        "service-cluster-ip-range": cluster.shoot.services,
    }


def _controller_manager(cluster: VmCluster) -> dict[str, str]:
    """docs/reference/kubernetes.md#kubeadm-flags"""
    return {
        "allocate-node-cidrs": "true",
        "bind-address": "127.0.0.1",
        "cloud-provider": "external",
        "cluster-cidr": cluster.shoot.pods,
        "cluster-name": cluster.names.cluster,
        "controllers": "*,bootstrapsigner,tokencleaner",
        "kubeconfig": "/etc/kubernetes/controller-manager.conf",
        "leader-elect": "true",
        "node-cidr-mask-size": str(cluster.shoot.node_cidr_mask_size),
        "root-ca-file": f"{_PKI}/ca.crt",
        "service-account-private-key-file": f"{_PKI}/sa.key",
        "service-cluster-ip-range": cluster.shoot.services,
        "use-service-account-credentials": "true",
    }


def _scheduler() -> dict[str, str]:
    return {"bind-address": "127.0.0.1", "kubeconfig": "/etc/kubernetes/scheduler.conf", "leader-elect": "true"}


def _configuration(cluster: VmCluster) -> Objects:
    """The ConfigMaps in which kubeadm keeps its configuration and that of the kubelets."""
    shoot = cluster.shoot
    of_cluster = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "apiServer": {},
        "certificatesDir": _PKI,
        "clusterName": cluster.names.cluster,
        "controlPlaneEndpoint": f"{cluster.control_plane_address}:6443",
        "controllerManager": {
            "extraArgs": [
                {"name": "cloud-provider", "value": "external"},
                {"name": "node-cidr-mask-size", "value": str(shoot.node_cidr_mask_size)},
            ]
        },
        "dns": {},
        "etcd": {"local": {"dataDir": "/var/lib/etcd"}},
        "imageRepository": "registry.k8s.io",
        "kubernetesVersion": f"v{shoot.kubernetes_version}",
        "networking": {"dnsDomain": DNS_DOMAIN, "podSubnet": shoot.pods, "serviceSubnet": shoot.services},
        "proxy": {},
        "scheduler": {},
    }
    of_kubelets = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd",
        "clusterDNS": [cluster.dns],
        "clusterDomain": DNS_DOMAIN,
        "maxPods": shoot.max_pods,
        "staticPodPath": "/etc/kubernetes/manifests",
    }
    contents = (("kubeadm-config", "ClusterConfiguration", of_cluster), ("kubelet-config", "kubelet", of_kubelets))
    return [
        (CONFIG_MAP, config_map(name, KUBE_SYSTEM, {key: yaml.safe_dump(content, sort_keys=False)}))
        for name, key, content in contents
    ]


def kubeadm_objects(cluster: VmCluster, project: str) -> Objects:
    """Its configuration and cloud-controller-manager, which leaves pod CIDRs to kube-controller-manager
    (docs/reference/kubernetes.md#kubeadm-flags)."""
    return [
        *_configuration(cluster),
        *cloud_controller_manager(cluster, project, ROUTES),
        *kube_proxy(cluster),
        *masquerading(cluster),
    ]


def cloud_controller_manager(cluster: VmCluster, project: str, flags: Mapping[str, str]) -> Objects:
    """The DaemonSet on the control plane, with these flags besides the usual ones, and its ConfigMap."""
    flags = {
        "allocate-node-cidrs": "true",
        "cloud-config": f"/etc/kubernetes/{_CLOUD_CONFIG}/cloud.conf",
        "cloud-provider": "gce",
        "cluster-cidr": cluster.shoot.pods,
        "cluster-name": cluster.names.cluster,
        "leader-elect": "true",
        "use-service-account-credentials": "true",
        "v": "2",
        **flags,
    }
    lines = [
        "[Global]",
        f"project-id = {project}",
        f"network-name = {cluster.names.network}",
        f"subnetwork-name = {cluster.names.subnet}",
        f"node-tags = {cluster.names.node_tag}",
        "multizone = true",
    ]
    result = daemon_set(
        CLOUD_CONTROLLER_MANAGER,
        "registry.k8s.io/cloud-provider-gcp/cloud-controller-manager:v33.4.0",
        labels={"component": CLOUD_CONTROLLER_MANAGER, "tier": "control-plane"},
    )
    pod: dict[str, Any] = result["spec"]["template"]["spec"]
    pod["containers"][0] |= {"command": ["/cloud-controller-manager"], "args": command("", flags)[1:]}
    pod["containers"][0]["volumeMounts"] = [
        {"name": _CLOUD_CONFIG, "mountPath": f"/etc/kubernetes/{_CLOUD_CONFIG}", "readOnly": True}
    ]
    pod |= {
        "nodeSelector": {CONTROL_PLANE_ROLE: ""},
        "serviceAccountName": CLOUD_CONTROLLER_MANAGER,
        "terminationGracePeriodSeconds": 30,
        "volumes": [{"name": _CLOUD_CONFIG, "configMap": {"name": _CLOUD_CONFIG}}],
    }
    cloud_config = config_map(_CLOUD_CONFIG, KUBE_SYSTEM, {"cloud.conf": "\n".join(lines) + "\n"})
    return [(CONFIG_MAP, cloud_config), (DAEMON_SET, result)]

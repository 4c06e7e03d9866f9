"""The control plane: the static pods of `kubeadm init`, its ConfigMaps, and cloud-controller-manager as a DaemonSet."""

from __future__ import annotations

from typing import Any

import yaml

from dualstack.clock import rfc3339
from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, NODE, POD, Kind, Manifest
from dualstack.model.manifests import checksum, command, config_map, daemon_set, manifest
from dualstack.model.names import CLOUD_CONTROLLER_MANAGER, KUBE_SYSTEM
from dualstack_sim.actors.pods import owner_reference
from dualstack_sim.world.kubeadm.cluster import CONTROL_PLANE_ROLE, KubeadmCluster

Objects = list[tuple[Kind, Manifest]]

DNS_DOMAIN = "cluster.local"
_PKI = "/etc/kubernetes/pki"
_CLOUD_CONFIG = "cloud-config"


def static_pods(cluster: KubeadmCluster, node: Manifest, now: float) -> Objects:
    """The mirror pods of the static pods on the node with the control plane."""
    programs = (
        ("etcd", "etcd:3.5.21-0", _etcd(cluster)),
        ("kube-apiserver", f"kube-apiserver:v{cluster.shoot.kubernetes_version}", _api_server(cluster)),
        (
            "kube-controller-manager",
            f"kube-controller-manager:v{cluster.shoot.kubernetes_version}",
            _controller_manager(cluster),
        ),
        ("kube-scheduler", f"kube-scheduler:v{cluster.shoot.kubernetes_version}", _scheduler()),
    )
    return [(POD, _mirror_pod(node, name, image, flags, now)) for name, image, flags in programs]


def _mirror_pod(node: Manifest, program: str, image: str, flags: dict[str, str], now: float) -> Manifest:
    words = command(program, flags)
    spec = {
        "hostNetwork": True,
        "nodeName": node["metadata"]["name"],
        "priorityClassName": "system-node-critical",
        "tolerations": [{"effect": "NoExecute", "operator": "Exists"}],
        "containers": [{"name": program, "image": f"registry.k8s.io/{image}", "command": words}],
    }
    digest = checksum(spec)[:32]
    result = manifest(POD, f"{program}-{node['metadata']['name']}", KUBE_SYSTEM, spec=spec)
    result["metadata"] |= {
        "labels": {"component": program, "tier": "control-plane"},
        "annotations": {
            "kubernetes.io/config.hash": digest,
            "kubernetes.io/config.mirror": digest,
            "kubernetes.io/config.seen": rfc3339(now),
            "kubernetes.io/config.source": "file",
        },
        "ownerReferences": [owner_reference(NODE, node)],
    }
    return result


def _etcd(cluster: KubeadmCluster) -> dict[str, str]:
    address = cluster.control_plane_address
    return {
        "advertise-client-urls": f"https://{address}:2379",
        "data-dir": "/var/lib/etcd",
        "listen-client-urls": f"https://127.0.0.1:2379,https://{address}:2379",
    }


def _api_server(cluster: KubeadmCluster) -> dict[str, str]:
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


def _controller_manager(cluster: KubeadmCluster) -> dict[str, str]:
    """kubeadm sets the ranges and `--allocate-node-cidrs` whenever its configuration has a podSubnet."""
    return {
        "allocate-node-cidrs": "true",
        "bind-address": "127.0.0.1",
        "cloud-provider": "external",
        "cluster-cidr": cluster.shoot.pods,
        "cluster-name": cluster.name,
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


def configuration(cluster: KubeadmCluster) -> Objects:
    """The ConfigMaps in which kubeadm keeps its configuration and that of the kubelets."""
    shoot = cluster.shoot
    of_cluster = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "apiServer": {},
        "certificatesDir": _PKI,
        "clusterName": cluster.name,
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


def cloud_controller_manager(cluster: KubeadmCluster) -> Objects:
    """cloud-controller-manager on the control plane. kube-controller-manager allocates the pod CIDRs."""
    flags = {
        "allocate-node-cidrs": "true",  # without it there is no route controller
        "cloud-config": f"/etc/kubernetes/{_CLOUD_CONFIG}/cloud.conf",
        "cloud-provider": "gce",
        "cluster-cidr": cluster.shoot.pods,
        "cluster-name": cluster.name,
        "configure-cloud-routes": "true",
        "controllers": "*,-node-ipam-controller",
        "leader-elect": "true",
        "use-service-account-credentials": "true",
        "v": "2",
    }
    lines = [
        "[Global]",
        f"project-id = {cluster.project}",
        f"network-name = {cluster.network}",
        f"subnetwork-name = {cluster.subnet}",
        f"node-tags = {cluster.tag}",
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

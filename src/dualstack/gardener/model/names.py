"""Gardener's names, annotations and labels, and our annotations. `ns` is always the shoot's technical ID."""

from __future__ import annotations

# Annotations and their values ---------------------------------------------------------------------------------------

EXTENSION_PREFIX = "gardener-extension-"
"""Start of the name of each of Gardener's extensions, as program and as field manager
(docs/reference/gardener.md#traces)."""
OPERATION = "gardener.cloud/operation"
TIMESTAMP = "gardener.cloud/timestamp"
TASKS = "shoot.gardener.cloud/tasks"
TASK_DEPLOY_INFRASTRUCTURE = "deployInfrastructure"
RECONCILE = "reconcile"
ROLLOUT_WORKERS = "rollout-workers"
"""Operation `rollout-workers=<pools>`, and the annotation on templates (docs/reference/gardener.md#rollout-workers)."""
RESTARTED_AT = "gardener.cloud/restarted-at"
SHOOT_IGNORE = "shoot.gardener.cloud/ignore"
"""On a Shoot: gardenlet leaves it alone (docs/reference/gardener.md#shoots-set-aside)."""
IGNORE = "resources.gardener.cloud/ignore"
REMOVE_IGNORE = "gcp.provider.extensions.gardener.cloud/remove-ignore"
OVERLAP_UNSUPPORTED = "dualstack.dev/overlap-unsupported"
"""Ours, on an Infrastructure: what the cloud did not support for a subnet with the overlap flag."""
NOTE = "cut-over.dualstack.dev/"
"""Prefix of the annotations of an Infrastructure in which a cut-over keeps its notes."""
ENABLED = "dualstack.dev/enabled"
"""`true` on a Shoot: the operator may touch it and its extension objects."""
STRATEGY = "dualstack.dev/strategy"
"""Ours, on a Shoot: the strategy of its cut-over, instead of the operator's."""
DRILL = "dualstack.dev/drill"
"""Ours, on a Shoot: `true` tests, before the first route is deleted, whether a route can be restored."""
DECOYS = "dualstack.dev/decoys"
"""Ours, on a Shoot: `true` tests the cut-over on decoys before it changes a node."""
INTERNAL_SUBNET = "dualstack.dev/internal-subnet"
"""Ours, on a Shoot: `ipv4` keeps its internal subnet without IPv6."""
POOL_HASH = "dualstack.dev/pool-hash"
"""Ours, on a MachineDeployment: the hash of its pool's settings, where the name of its class has another one."""
PREPARED = f"{NOTE}prepared"
"""Of an Infrastructure: `begun`, or the mark of the nodes whose aliases are proven (`plan/strategies/prepare.py`)."""
FOLLOWED = f"{NOTE}followed"
"""Of an Infrastructure: `true` from the begin of a cut-over until every node was created for the dual-stack
infrastructure, so that nodes that join get their alias."""
PREPARE = "dualstack.dev/prepare"
"""Ours, on a Shoot: `true` adds flag, range and aliases while it is IPv4-only; without it they are taken back."""
CUT_OVER = "dualstack.dev/cut-over"
"""Ours, on a Shoot: `back` rolls the cut-over back, until the infrastructure is published, and pauses it."""

# Finalizers ---------------------------------------------------------------------------------------------------------

MACHINE_FINALIZER = "machine.sapcloud.io/machine-controller-manager"
EXTENSION_FINALIZER_PREFIX = "extensions.gardener.cloud/"


def extension_finalizer(kind: str) -> str:
    """The finalizer of an extension object of this kind, e.g. `extensions.gardener.cloud/infrastructure`."""
    return EXTENSION_FINALIZER_PREFIX + kind.lower()


# Shoot constraints --------------------------------------------------------------------------------------------------

NODES_MIGRATION = "DualStackNodesMigrationReady"
DNS_MIGRATION = "DNSServiceMigrationReady"

# Objects in the seed ------------------------------------------------------------------------------------------------

INGRESS_GCE = "ingress-gce"
INGRESS_GCE_ROLE = "glbc"
"""What its pods, container and service account are called."""
KUBE_API_SERVER = "kube-apiserver"
KUBE_CONTROLLER_MANAGER = "kube-controller-manager"
CLOUD_PROVIDER_SECRET = "cloudprovider"  # noqa: S105 (the name of a Secret, not one)
SERVICE_ACCOUNT_KEY = "serviceaccount.json"
CLOUD_PROVIDER_CONFIG = "cloud-provider-config"
CLOUD_PROVIDER_CONFIG_INGRESS = "cloud-provider-config-ingress-gce"

GENERIC_KUBECONFIG = "generic-token-kubeconfig"
GENERIC_KUBECONFIG_NAME = "generic-token-kubeconfig.secret.gardener.cloud/name"
"""Annotation of the Cluster: the name of the Secret with the kubeconfig that the components of a control plane share;
without it, the Secret is called `GENERIC_KUBECONFIG` (docs/reference/gardener.md#generic-kubeconfig)."""

SHOOT_ACCESS = "shoot-access-dualstack"
"""Ours: the Secret with our token for the shoot, which the resource manager renews
(docs/reference/gardener.md#shoot-access)."""

MANAGED_RESOURCE_CONTROL_PLANE = "extension-controlplane-seed"
MANAGED_RESOURCE_CONTROL_PLANE_SHOOT = "extension-controlplane-shoot"
MANAGED_RESOURCE_KUBE_PROXY = "shoot-core-kube-proxy"
MANAGED_RESOURCE_COREDNS = "shoot-core-coredns"

# Objects in the shoot -----------------------------------------------------------------------------------------------

POOL_LABEL = "worker.gardener.cloud/pool"


def managed_resource_network(cni: str) -> str:
    """The ManagedResource of the CNI, e.g. `extension-networking-calico-config`."""
    return f"extension-networking-{cni}-config"


def operating_system_config(pool: str) -> str:
    return f"gardener-node-agent-{pool}"


# Compute: docs/reference/gardener.md#resource-names -----------------------------------------------------------------

NODES_SUBNET_DESCRIPTION = "gardener-managed worker subnet"
INTERNAL_SUBNET_DESCRIPTION = "gardener-managed internal subnet"
SERVICES_SUBNET_DESCRIPTION = "gardener-managed services subnet"
ROUTER_DESCRIPTION = "gardener-managed router"

nodes_subnet = "{}-nodes".format
internal_subnet = "{}-internal".format
services_subnet = "{}-services".format
cloud_router = "{}-cloud-router".format
"""The managed router; a user's router has its own name."""
cloud_nat = "{}-cloud-nat".format
firewall_internal = "{}-allow-internal-access".format
firewall_internal_ipv6 = "{}-allow-internal-access-ipv6".format
firewall_health_checks = "{}-allow-health-checks".format
firewall_health_checks_ipv6 = "{}-allow-health-checks-ipv6".format


def ipv6_firewalls(ns: str) -> tuple[str, ...]:
    """The firewall rules that dual-stack adds."""
    return firewall_internal_ipv6(ns), firewall_health_checks_ipv6(ns)


def vpc(ns: str) -> str:
    """The managed VPC; a user's VPC has its own name."""
    return ns


def node_tags(ns: str) -> tuple[str, ...]:
    """Network tags of the nodes' VMs (docs/reference/gardener.md#network-tags)."""
    return (ns, f"kubernetes-io-cluster-{ns}", "kubernetes-io-role-node")


# Machines: docs/reference/gardener.md#machine-names -----------------------------------------------------------------


def machine_deployment(ns: str, pool: str, zone_index: int) -> str:
    """`<ns>-<pool>-z<i>`; `zone_index` counts from 0, the name from 1."""
    return f"{ns}-{pool}-z{zone_index + 1}"


def machine_class(deployment: str, pool_hash: str) -> str:
    return f"{deployment}-{pool_hash}"

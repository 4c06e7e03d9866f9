"""The built-in types that the simulated cluster and its clients use."""

from __future__ import annotations

from dualstack_sim.kube.types import ResourceType, ScalePaths, Subresource

_ALL = ("all",)
_CREATE = ("create",)
_SCALE_STATUS_SELECTOR = ScalePaths()

_CORE = (
    ResourceType(
        "",
        ("v1",),
        "Namespace",
        "namespaces",
        namespaced=False,
        short_names=("ns",),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        has_status=True,
        subresources=(Subresource("finalize", "Namespace", ("update",)),),
    ),
    ResourceType(
        "",
        ("v1",),
        "Node",
        "nodes",
        namespaced=False,
        short_names=("no",),
        has_status=True,
        keeps_status_on_create=True,
        status_carries_metadata=True,
    ),
    ResourceType(
        "",
        ("v1",),
        "Pod",
        "pods",
        short_names=("po",),
        categories=_ALL,
        has_status=True,
        status_carries_metadata=True,
        returns_deleted=True,
        subresources=(
            Subresource("binding", "Binding", _CREATE),
            Subresource("eviction", "Eviction", _CREATE, group="policy", version="v1"),
            Subresource("log", "Pod", ("get",)),
        ),
    ),
    ResourceType(
        "",
        ("v1",),
        "Service",
        "services",
        short_names=("svc",),
        categories=_ALL,
        has_status=True,
        returns_deleted=True,
    ),
    ResourceType("", ("v1",), "Endpoints", "endpoints", singular="endpoints", short_names=("ep",)),
    ResourceType("", ("v1",), "ConfigMap", "configmaps", short_names=("cm",)),
    ResourceType("", ("v1",), "Secret", "secrets"),
    ResourceType("", ("v1",), "Event", "events", short_names=("ev",)),
    ResourceType(
        "",
        ("v1",),
        "ServiceAccount",
        "serviceaccounts",
        short_names=("sa",),
        returns_deleted=True,
        subresources=(Subresource("token", "TokenRequest", _CREATE, group="authentication.k8s.io", version="v1"),),
    ),
    ResourceType("", ("v1",), "PersistentVolume", "persistentvolumes", False, short_names=("pv",), has_status=True),
    ResourceType("", ("v1",), "PersistentVolumeClaim", "persistentvolumeclaims", short_names=("pvc",), has_status=True),
    ResourceType("", ("v1",), "LimitRange", "limitranges", short_names=("limits",)),
    ResourceType("", ("v1",), "ResourceQuota", "resourcequotas", short_names=("quota",), has_status=True),
    ResourceType(
        "",
        ("v1",),
        "ReplicationController",
        "replicationcontrollers",
        short_names=("rc",),
        categories=_ALL,
        has_status=True,
        generation="spec",
        scale=_SCALE_STATUS_SELECTOR,
    ),
)

_APPS = (
    ResourceType(
        "apps",
        ("v1",),
        "Deployment",
        "deployments",
        short_names=("deploy",),
        categories=_ALL,
        has_status=True,
        scale=_SCALE_STATUS_SELECTOR,
        generation="spec-and-annotations",
    ),
    ResourceType(
        "apps",
        ("v1",),
        "ReplicaSet",
        "replicasets",
        short_names=("rs",),
        categories=_ALL,
        has_status=True,
        scale=_SCALE_STATUS_SELECTOR,
        generation="spec",
    ),
    ResourceType(
        "apps",
        ("v1",),
        "DaemonSet",
        "daemonsets",
        short_names=("ds",),
        categories=_ALL,
        has_status=True,
        generation="spec",
    ),
    ResourceType(
        "apps",
        ("v1",),
        "StatefulSet",
        "statefulsets",
        short_names=("sts",),
        categories=_ALL,
        has_status=True,
        scale=_SCALE_STATUS_SELECTOR,
        generation="spec",
    ),
    ResourceType("apps", ("v1",), "ControllerRevision", "controllerrevisions"),
    ResourceType(
        "batch",
        ("v1",),
        "CronJob",
        "cronjobs",
        short_names=("cj",),
        categories=_ALL,
        has_status=True,
        generation="spec",
    ),
    ResourceType("batch", ("v1",), "Job", "jobs", categories=_ALL, has_status=True, generation="spec"),
    ResourceType(
        "autoscaling",
        ("v2",),
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        short_names=("hpa",),
        categories=_ALL,
        has_status=True,
    ),
)

_CLUSTER_SERVICES = (
    ResourceType("coordination.k8s.io", ("v1",), "Lease", "leases", unconditional_update=False),
    ResourceType(
        "policy",
        ("v1",),
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        short_names=("pdb",),
        has_status=True,
        generation="spec",
        unconditional_update=False,
    ),
    ResourceType("discovery.k8s.io", ("v1",), "EndpointSlice", "endpointslices", generation="all-but-status"),
    ResourceType("events.k8s.io", ("v1",), "Event", "events", short_names=("ev",), stored_as=("", "events")),
    ResourceType(
        "networking.k8s.io", ("v1",), "NetworkPolicy", "networkpolicies", short_names=("netpol",), generation="spec"
    ),
    ResourceType(
        "networking.k8s.io", ("v1",), "Ingress", "ingresses", short_names=("ing",), has_status=True, generation="spec"
    ),
    ResourceType("networking.k8s.io", ("v1",), "IPAddress", "ipaddresses", False, short_names=("ip",)),
    ResourceType("networking.k8s.io", ("v1",), "ServiceCIDR", "servicecidrs", False, has_status=True),
    ResourceType("networking.k8s.io", ("v1",), "IngressClass", "ingressclasses", False, generation="spec"),
    ResourceType("rbac.authorization.k8s.io", ("v1",), "Role", "roles"),
    ResourceType("rbac.authorization.k8s.io", ("v1",), "RoleBinding", "rolebindings"),
    ResourceType("rbac.authorization.k8s.io", ("v1",), "ClusterRole", "clusterroles", False),
    ResourceType("rbac.authorization.k8s.io", ("v1",), "ClusterRoleBinding", "clusterrolebindings", False),
    ResourceType("storage.k8s.io", ("v1",), "StorageClass", "storageclasses", False, short_names=("sc",)),
    ResourceType("storage.k8s.io", ("v1",), "CSINode", "csinodes", False),
    ResourceType("storage.k8s.io", ("v1",), "VolumeAttachment", "volumeattachments", False, has_status=True),
    ResourceType("scheduling.k8s.io", ("v1",), "PriorityClass", "priorityclasses", False, short_names=("pc",)),
    ResourceType(
        "admissionregistration.k8s.io",
        ("v1",),
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        False,
        generation="all-but-status",
    ),
    ResourceType(
        "admissionregistration.k8s.io",
        ("v1",),
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        False,
        generation="all-but-status",
    ),
    ResourceType(
        "apiextensions.k8s.io",
        ("v1",),
        "CustomResourceDefinition",
        "customresourcedefinitions",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        has_status=True,
        generation="spec",
        unconditional_update=False,
    ),
)

_REVIEWS = (
    ResourceType(
        "authorization.k8s.io", ("v1",), "SelfSubjectAccessReview", "selfsubjectaccessreviews", False, verbs=_CREATE
    ),
    ResourceType(
        "authorization.k8s.io", ("v1",), "SelfSubjectRulesReview", "selfsubjectrulesreviews", False, verbs=_CREATE
    ),
    ResourceType("authorization.k8s.io", ("v1",), "SubjectAccessReview", "subjectaccessreviews", False, verbs=_CREATE),
    ResourceType("authentication.k8s.io", ("v1",), "SelfSubjectReview", "selfsubjectreviews", False, verbs=_CREATE),
    ResourceType("authentication.k8s.io", ("v1",), "TokenReview", "tokenreviews", False, verbs=_CREATE),
)

BUILTIN_TYPES: tuple[ResourceType, ...] = _CORE + _APPS + _CLUSTER_SERVICES + _REVIEWS
"""All built-in types, in the order in which discovery lists their groups."""

INITIAL_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
"""Namespaces that exist when the server starts."""

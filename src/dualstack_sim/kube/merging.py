"""Which lists of an object merge in a patch, and by which key; other lists are replaced as a whole.

Of built-in types as the `patchStrategy` and `patchMergeKey` tags of the upstream API types say. A field without an
entry merges as upstream merges it without tags: objects by field, lists as a whole (`taints`, `tolerations`,
`clusterIPs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MergeSchema:
    """How one field merges.

    `key`: a list of objects that merges by this field. `values`: a list of scalars that merges as a set.
    `replace`: an object that is replaced as a whole.
    """

    fields: Mapping[str, MergeSchema] = field(default_factory=dict)
    key: str | None = None
    values: bool = False
    replace: bool = False

    def child(self, name: str) -> MergeSchema:
        return self.fields.get(name, PLAIN)


PLAIN = MergeSchema()
_SET = MergeSchema(values=True)


def _by(key: str, **fields: MergeSchema) -> MergeSchema:
    return MergeSchema(fields=fields, key=key)


_METADATA = MergeSchema({"ownerReferences": _by("uid"), "finalizers": _SET})
_CONDITIONS = _by("type")
_CONTAINERS = _by(
    "name",
    env=_by("name"),
    ports=_by("containerPort"),
    volumeMounts=_by("mountPath"),
    volumeDevices=_by("devicePath"),
)
_POD_SPEC = MergeSchema(
    {
        "containers": _CONTAINERS,
        "initContainers": _CONTAINERS,
        "ephemeralContainers": _CONTAINERS,
        "volumes": _by("name"),
        "imagePullSecrets": _by("name"),
        "hostAliases": _by("ip"),
        "topologySpreadConstraints": _by("topologyKey"),
        "schedulingGates": _by("name"),
        "resourceClaims": _by("name"),
    }
)
_TEMPLATE = MergeSchema({"metadata": _METADATA, "spec": _POD_SPEC})
_STATUS_WITH_CONDITIONS = MergeSchema({"conditions": _CONDITIONS})


def _object(spec: MergeSchema = PLAIN, status: MergeSchema = PLAIN, **fields: MergeSchema) -> MergeSchema:
    return MergeSchema({"metadata": _METADATA, "spec": spec, "status": status, **fields})


_WORKLOAD = _object(MergeSchema({"template": _TEMPLATE}), _STATUS_WITH_CONDITIONS)

BUILT_IN: dict[tuple[str, str], MergeSchema] = {
    ("", "nodes"): _object(
        MergeSchema({"podCIDRs": _SET}), MergeSchema({"conditions": _CONDITIONS, "addresses": _by("type")})
    ),
    ("", "pods"): _object(
        _POD_SPEC, MergeSchema({"conditions": _CONDITIONS, "podIPs": _by("ip"), "hostIPs": _by("ip")})
    ),
    ("", "services"): _object(MergeSchema({"ports": _by("port")}), _STATUS_WITH_CONDITIONS),
    ("", "namespaces"): _object(status=_STATUS_WITH_CONDITIONS),
    ("", "serviceaccounts"): _object(secrets=_by("name")),
    ("", "persistentvolumeclaims"): _object(status=_STATUS_WITH_CONDITIONS),
    ("", "replicationcontrollers"): _WORKLOAD,
    ("apps", "deployments"): _WORKLOAD,
    ("apps", "replicasets"): _WORKLOAD,
    ("apps", "daemonsets"): _WORKLOAD,
    ("apps", "statefulsets"): _WORKLOAD,
    ("batch", "jobs"): _WORKLOAD,
    ("batch", "cronjobs"): _object(MergeSchema({"jobTemplate": _object(MergeSchema({"template": _TEMPLATE}))})),
    ("policy", "poddisruptionbudgets"): _object(
        MergeSchema({"selector": MergeSchema(replace=True)}), _STATUS_WITH_CONDITIONS
    ),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): _object(webhooks=_by("name")),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): _object(webhooks=_by("name")),
}
DEFAULT = _object()
"""Of a type without an entry, and what every type merges alike."""

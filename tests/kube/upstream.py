"""CustomResourceDefinitions in the shape of upstream's: of each type, the fields that a client may set in its spec.

A schema here knows no other field and requires what upstream requires (docs/reference/gardener.md#extension-contract),
so that strict validation refuses an object that upstream would prune or refuse. Upstream's have more fields.
"""

from __future__ import annotations

from typing import Any

from dualstack.cni.calico import IP_POOL
from dualstack.gardener.model.kinds import (
    CLUSTER,
    CONTROL_PLANE,
    INFRASTRUCTURE,
    MACHINE_CLASS,
    MACHINE_DEPLOYMENT,
    MANAGED_RESOURCE,
    NETWORK,
    OPERATING_SYSTEM_CONFIG,
    WORKER,
)
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.world.definitions import TypeFacts, definition

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
EITHER: Schema = {"x-kubernetes-int-or-string": True}
ANYTHING: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
AMOUNTS: Schema = {"type": "object", "additionalProperties": EITHER}


def fields(required: str = "", /, **known: Schema) -> Schema:
    """An object with these fields and no others."""
    return {"type": "object", "properties": known, **({"required": required.split()} if required else {})}


def several(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_REFERENCE = fields(name=TEXT, namespace=TEXT)
_TAINTS = several(fields("effect key", effect=TEXT, key=TEXT, value=TEXT, timeAdded=TEXT))
_SURGE = fields(maxSurge=EITHER, maxUnavailable=EITHER)
_EXTENSION = {"class": TEXT, "type": TEXT, "providerConfig": ANYTHING}
_POOL = fields(
    "machineImage machineType maxSurge maxUnavailable maximum minimum name userDataSecretRef",
    annotations=TEXTS,
    architecture=TEXT,
    dataVolumes=several(fields("name size", name=TEXT, type=TEXT, size=TEXT, encrypted=FLAG)),
    kubeletDataVolumeName=TEXT,
    kubernetesVersion=TEXT,
    labels=TEXTS,
    machineImage=fields("name version", name=TEXT, version=TEXT),
    machineType=TEXT,
    maxSurge=EITHER,
    maxUnavailable=EITHER,
    maximum=NUMBER,
    minimum=NUMBER,
    name=TEXT,
    nodeAgentSecretName=TEXT,
    nodeTemplate=fields("capacity", capacity=AMOUNTS, virtualCapacity=AMOUNTS),
    priority=NUMBER,
    providerConfig=ANYTHING,
    taints=_TAINTS,
    updateStrategy=TEXT,
    userDataSecretRef=fields("key", name=TEXT, key=TEXT, optional=FLAG),
    volume=fields("size", name=TEXT, type=TEXT, size=TEXT, encrypted=FLAG),
    zones=several(TEXT),
)
_FILE = fields(
    "content path",
    content=fields(
        inline=fields("data encoding", data=TEXT, encoding=TEXT),
        secretRef=fields("dataKey name", dataKey=TEXT, name=TEXT),
        transmitUnencoded=FLAG,
    ),
    path=TEXT,
    permissions=NUMBER,
)
_MACHINE = fields(
    **{"class": fields(apiGroup=TEXT, kind=TEXT, name=TEXT)},
    nodeTemplate=fields(metadata=ANYTHING, spec=fields(podCIDR=TEXT, providerID=TEXT, taints=_TAINTS)),
    providerID=TEXT,
)

_TYPES: dict[Kind, Schema] = {
    CLUSTER: fields(
        "spec",
        spec=fields("cloudProfile seed shoot", cloudProfile=ANYTHING, seed=ANYTHING, shoot=ANYTHING),
    ),
    INFRASTRUCTURE: fields(
        "spec",
        spec=fields("region secretRef type", **_EXTENSION, region=TEXT, secretRef=_REFERENCE, sshPublicKey=TEXT),
    ),
    CONTROL_PLANE: fields(
        "spec",
        spec=fields(
            "region secretRef type",
            **_EXTENSION,
            infrastructureProviderStatus=ANYTHING,
            purpose=TEXT,
            region=TEXT,
            secretRef=_REFERENCE,
        ),
    ),
    NETWORK: fields(
        "spec",
        spec=fields("podCIDR serviceCIDR type", **_EXTENSION, podCIDR=TEXT, serviceCIDR=TEXT, ipFamilies=several(TEXT)),
    ),
    WORKER: fields(
        "spec",
        spec=fields(
            "pools region secretRef type",
            **_EXTENSION,
            infrastructureProviderStatus=ANYTHING,
            pools=several(_POOL),
            region=TEXT,
            secretRef=_REFERENCE,
            sshPublicKey=TEXT,
        ),
    ),
    OPERATING_SYSTEM_CONFIG: fields(
        "spec", spec=fields("purpose type", **_EXTENSION, purpose=TEXT, files=several(_FILE))
    ),
    MANAGED_RESOURCE: fields(
        spec=fields(
            "secretRefs",
            **{"class": TEXT},
            injectLabels=TEXTS,
            keepObjects=FLAG,
            secretRefs=several(fields(name=TEXT)),
        )
    ),
    MACHINE_CLASS: fields(
        "providerSpec",
        credentialsSecretRef=_REFERENCE,
        nodeTemplate={
            **fields(
                "capacity instanceType region zone",
                architecture=TEXT,
                capacity=AMOUNTS,
                virtualCapacity=AMOUNTS,
                instanceType=TEXT,
                region=TEXT,
                zone=TEXT,
            )
        },
        provider=TEXT,
        providerSpec=ANYTHING,
        secretRef=_REFERENCE,
    ),
    MACHINE_DEPLOYMENT: fields(
        spec=fields(
            "template",
            minReadySeconds=NUMBER,
            paused=FLAG,
            replicas=NUMBER,
            selector=fields(matchLabels=TEXTS),
            strategy=fields(type=TEXT, rollingUpdate=_SURGE, inPlaceUpdate=_SURGE),
            template=fields(metadata=ANYTHING, spec=_MACHINE),
        )
    ),
    IP_POOL: fields(
        spec=fields(
            "cidr",
            blockSize=NUMBER,
            cidr=TEXT,
            disabled=FLAG,
            disableBGPExport=FLAG,
            ipipMode=TEXT,
            natOutgoing=FLAG,
            nodeSelector=TEXT,
            vxlanMode=TEXT,
        )
    ),
}

_CHART = fields(
    ociRepository=fields(
        **dict.fromkeys(("digest", "ref", "repository", "tag"), TEXT),
        caBundleSecretRef=fields(name=TEXT),
        pullSecretRef=fields(name=TEXT),
    )
)
_SEEDS = fields(matchExpressions=several(ANYTHING), matchLabels=TEXTS)
_RESOURCES = several(
    fields(
        "kind type",
        autoEnable=several(TEXT),
        clusterCompatibility=several(TEXT),
        kind=TEXT,
        lifecycle=fields(**dict.fromkeys(("delete", "migrate", "reconcile"), TEXT)),
        primary=FLAG,
        reconcileTimeout=TEXT,
        type=TEXT,
        workerlessSupported=FLAG,
    )
)
_DEPLOYMENT = {"injectGardenKubeconfig": FLAG, "policy": TEXT, "seedSelector": _SEEDS, "values": ANYTHING}

_REGISTRATION: dict[Kind, Schema] = {
    Kind("operator.gardener.cloud", "v1alpha1", "Extension", "extensions", namespaced=False): fields(
        spec=fields(
            resources=_RESOURCES,
            deployment=fields(
                admission=ANYTHING, extension=fields(helm=_CHART, runtimeClusterValues=ANYTHING, **_DEPLOYMENT)
            ),
        )
    ),
    Kind("core.gardener.cloud", "v1", "ControllerDeployment", "controllerdeployments", namespaced=False): fields(
        helm=fields(rawChart=TEXT, values=ANYTHING, **_CHART["properties"]),
        injectGardenKubeconfig=FLAG,
        resources=several(ANYTHING),
    ),
    Kind(
        "core.gardener.cloud", "v1beta1", "ControllerRegistration", "controllerregistrations", namespaced=False
    ): fields(
        spec=fields(
            resources=_RESOURCES,
            deployment=fields(deploymentRefs=several(fields("name", name=TEXT)), policy=TEXT, seedSelector=_SEEDS),
        )
    ),
    Kind("extensions.gardener.cloud", "v1alpha1", "Extension", "extensions", namespaced=True): fields(
        "spec", spec=fields("type", **_EXTENSION)
    ),
}
"""With which an extension is registered; and the type of a seed that has the same name."""


def definitions() -> list[Manifest]:
    """The definition of each type of which the product renders an object."""
    return [_definition(kind, schema) for kind, schema in _TYPES.items()]


def registration() -> list[Manifest]:
    """The definitions of the types in deploy/gardener. Those of core.gardener.cloud are of an aggregated API server."""
    return [_definition(kind, schema) for kind, schema in _REGISTRATION.items()]


def _definition(kind: Kind, schema: Schema) -> Manifest:
    made = definition(kind, TypeFacts())
    (version,) = made["spec"]["versions"]
    every = {"apiVersion": TEXT, "kind": TEXT, "metadata": {"type": "object"}, "status": ANYTHING}
    version["schema"] = {"openAPIV3Schema": {**schema, "properties": {**every, **schema["properties"]}}}
    return made

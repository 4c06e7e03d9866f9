"""The requests that the operator makes to each Kubernetes API: its RBAC roles are generated from this table.

Tests compare it with the requests of whole migrations. After a change: `python -m tests.deploy.generate`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from dualstack.cni import custom_kinds
from dualstack.operator.landscape import GARDENER, STANDALONE, controllers_of

GARDEN, SEED, SHOOT, HOME = "garden", "seed", "shoot", "home"
"""The three API servers of a landscape, and the operator's own namespace in the API server of `SEED`."""

LANDSCAPES = {landscape: controllers_of(landscape, None) for landscape in (GARDENER, STANDALONE)}
"""The controllers that run, by landscape."""


@dataclass(frozen=True, slots=True)
class Right:
    """What one or several controllers do with a resource of one API.

    controllers: those that make the requests; empty for the process itself. landscape: where only one needs it. group:
    empty for the core API. resource: with its subresource, such as `infrastructures/status`. names: of the objects;
    empty for all. verbs: those of a whole migration; rare: those that it does not need, for the reason in `purpose`.
    """

    api: str
    controllers: tuple[str, ...]
    landscape: str
    group: str
    resource: str
    names: tuple[str, ...]
    verbs: tuple[str, ...]
    rare: tuple[str, ...]
    purpose: str

    def applies(self, landscape: str) -> bool:
        """Whether an operator in this landscape has it."""
        if self.landscape and self.landscape != landscape:
            return False
        return not self.controllers or bool(set(self.controllers) & set(LANDSCAPES[landscape]))


# A section names the API and the API group. Rows: resource, `=` names | controllers, or `*`; `@` a landscape | verbs |
# purpose. `~` marks a verb that only rare cases need, which the purpose names.
_TABLE = """
[garden core.gardener.cloud]
shoots               | shoot | get list watch patch | the migration's input and its annotations
shoots/status        | shoot | patch                | operation, networking and constraints
cloudprofiles        | shoot | ~get                 | copied into a Cluster that does not exist yet
seeds                | *@standalone | list          | whether Gardener runs here
controllerinstallations | *@standalone | list       | whether Gardener runs here
[garden seedmanagement.gardener.cloud]
managedseeds         | *@standalone | list          | whether Gardener runs here
[garden apps]
deployments          | *@standalone | list          | whether gardenlet or an extension runs here
[garden coordination.k8s.io]
leases               | *@standalone | list          | whether gardenlet or an extension runs here
[seed core.gardener.cloud]
seeds                | *@standalone | list          | whether Gardener runs here
controllerinstallations | *@standalone | list       | whether Gardener runs here
[seed seedmanagement.gardener.cloud]
managedseeds         | *@standalone | list          | whether Gardener runs here
[garden]
events               | shoot | create get ~patch    | Events about the Shoot; patched when one repeats
[seed extensions.gardener.cloud]
clusters             | *              | get             | the Shoot as the seed sees it
clusters             | infrastructure | list watch      | whether a Shoot is to be prepared
clusters             | shoot          | patch ~create   | the copy of the Shoot; created for a new Shoot
infrastructures      | infrastructure | get list watch patch | reconciles them
infrastructures/status | infrastructure | patch         | result and state
infrastructures      | shoot controlplane | get         | result of the Infrastructure
infrastructures      | shoot          | patch ~create   | requests a reconcile; created for a new Shoot
controlplanes        | controlplane   | get list watch patch | reconciles them
controlplanes/status | controlplane   | patch           | result
controlplanes        | shoot          | get patch ~create | requests a reconcile; created for a new Shoot
networks             | network        | get list watch patch | reconciles them
networks/status      | network        | patch           | result
networks             | shoot          | get patch ~create | requests a reconcile; created for a new Shoot
workers              | worker         | get list watch patch | reconciles them
workers/status       | worker         | patch           | result
workers              | shoot          | get patch ~create | requests a reconcile; created for a new Shoot
operatingsystemconfigs | infrastructure | list          | whether the guest agent of the nodes handles aliases
operatingsystemconfigs | shoot        | list ~get patch ~create | addresses of kube-dns; created for a new pool
[seed resources.gardener.cloud]
managedresources =extension-controlplane-seed | infrastructure | get patch | stops cloud-controller-manager's routes
managedresources     | shoot controlplane network | get create patch ~delete | what is applied; deleted on the way back
[seed]
secrets              | infrastructure | get ~delete     | credentials; deletion removes what Terraform has left
secrets              | shoot controlplane network | get create patch ~delete | content of ManagedResources; replaced
secrets              | worker         | get             | the project of the credentials
configmaps           | infrastructure | ~get ~delete    | deletion removes what Terraform has left
configmaps           | controlplane   | get             | whether cloud-provider-config is applied
serviceaccounts      | controlplane   | get             | whether the one of ingress-gce is applied
pods                 | infrastructure shoot | list      | pods of cloud-controller-manager and of roll-outs
events               | infrastructure | create ~get ~patch | Events about the Infrastructure; patched when one repeats
[seed apps]
deployments =cloud-controller-manager | infrastructure | get patch | runs without its route controller
deployments/scale =cloud-controller-manager | infrastructure | ~patch | where its flag cannot be set
deployments          | *@standalone   | list            | whether gardenlet or an extension runs here
deployments          | controlplane   | get             | cloud-controller-manager, ingress-gce
deployments =kube-apiserver | infrastructure network | ~get | why the API server of a shoot does not answer
deployments =kube-apiserver kube-controller-manager | shoot | get patch | ranges and families
deployments          | shoot          | ~create         | the same two, for a new Shoot
[seed coordination.k8s.io]
leases               | *@standalone   | list            | whether gardenlet or an extension runs here
[seed machine.sapcloud.io]
machines             | infrastructure shoot | list      | the VMs of the nodes
machinedeployments   | shoot          | list patch      | requests the replacement of nodes
machinedeployments   | worker         | get list ~create ~patch | one for each pool and zone; created for a new pool
machineclasses       | shoot          | list            | whether new machines will be dual-stack
machineclasses       | worker         | get list patch ~create | network interfaces; created for a new pool
[home coordination.k8s.io]
leases               | *              | ~create         | leader election; created by the first process of all
leases =dualstack-operator | *        | get patch       | leader election
[shoot]
nodes                | shoot infrastructure | list      | pod CIDRs and conditions
nodes                | shoot          | watch           | a migration continues when a Node changes
nodes                | infrastructure | ~watch          | nodes that join and need their alias
services             | shoot          | get list        | kube-dns, and load balancers that stay IPv4
pods                 | shoot          | list            | CoreDNS, and pods that a roll-out waits for
configmaps           | shoot network  | get             | whether kube-proxy's, CoreDNS's and the CNI's are applied
pods                 | infrastructure | ~list           | decoy check: why a pod does not report
namespaces           | infrastructure | ~create         | decoy check
namespaces =dualstack-prober | infrastructure | ~get ~patch ~delete | decoy check
serviceaccounts      | infrastructure | ~create         | decoy check
serviceaccounts =dualstack-prober | infrastructure | ~get ~patch | decoy check
[shoot apps]
deployments          | shoot          | get             | whether CoreDNS is rolled out
daemonsets           | shoot network  | get             | whether kube-proxy and the CNI are rolled out
daemonsets           | infrastructure | ~create         | decoy check
daemonsets =dualstack-prober | infrastructure | ~get ~patch | decoy check
[shoot rbac.authorization.k8s.io]
clusterrolebindings  | controlplane   | ~get            | whether the one of cloud-controller-manager is applied
roles                | infrastructure | ~create         | decoy check
roles =dualstack-prober | infrastructure | ~get ~patch  | decoy check
rolebindings         | infrastructure | ~create         | decoy check
rolebindings =dualstack-prober | infrastructure | ~get ~patch | decoy check
[shoot coordination.k8s.io]
leases               | infrastructure | ~list ~get ~create ~patch | decoy check: its pods write them
"""


def _rights() -> Iterator[Right]:
    api = group = ""
    for line in _TABLE.strip().splitlines():
        if line.startswith("["):
            api, _, group = line.strip("[]").partition(" ")
            continue
        what, by, verbs, purpose = (cell.strip() for cell in line.split("|"))
        resource, _, objects = what.partition("=")
        names, _, landscape = by.partition("@")
        always = tuple(verb for verb in verbs.split() if not verb.startswith("~"))
        rare = tuple(verb[1:] for verb in verbs.split() if verb.startswith("~"))
        controllers = () if names.strip() == "*" else tuple(names.split())
        yield Right(
            api, controllers, landscape.strip(), group, resource.strip(), tuple(objects.split()), always, rare, purpose
        )

    for kind in custom_kinds():
        yield Right("shoot", ("network",), "", kind.group, kind.plural, (), ("get",), (), "whether they are applied")


RIGHTS = tuple(_rights())


def rules(landscape: str, apis: Collection[str]) -> list[dict[str, Any]]:
    """The RBAC rules of an operator in this landscape for an API server that has the parts `apis`, sorted."""
    verbs: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
    for right in RIGHTS:
        if right.api in apis and right.applies(landscape):
            verbs.setdefault((right.group, right.resource, right.names), set()).update(right.verbs, right.rare)
    grouped: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, resource, names), allowed in sorted(verbs.items()):
        grouped.setdefault((group, names, tuple(sorted(allowed, key=_ORDER.index))), []).append(resource)
    return [
        {
            "apiGroups": [group],
            "resources": resources,
            **({"resourceNames": list(names)} if names else {}),
            "verbs": list(allowed),
        }
        for (group, names, allowed), resources in sorted(grouped.items(), key=lambda item: (item[0][0], item[1]))
    ]


_ORDER = ("get", "list", "watch", "create", "patch", "delete")

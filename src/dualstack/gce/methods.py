"""The methods of Compute Engine that the product calls, and the IAM permissions that each of them needs.

`ComputeClient` sends nothing else, so the table is complete. docs/permissions.md shows it by permission.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Method:
    """id: as in the discovery document. permissions: those that the API reference documents for the method.

    inferred: those that the reference does not name for the method, needed for what the product sends.
    """

    id: str
    permissions: tuple[str, ...]
    inferred: tuple[str, ...]
    purpose: str

    @property
    def of_trials(self) -> bool:
        """Whether only `dualstack trial` calls it."""
        return self.purpose.startswith("trial: ")

    @property
    def read_only(self) -> bool:
        """Whether it serves to look at the project; operations are looked at only after a change."""
        collection, _, verb = self.id.partition(".")
        reads = verb.startswith(("get", "list", "aggregatedList", "testIamPermissions"))
        return reads and not collection.endswith("Operations") and not self.of_trials


# Permissions without their prefix `compute.`; `~` marks inferred ones.
_TABLE = """
projects.get                | projects.get                                | read quotas
regions.get                 | regions.get                                 | read the quotas of the region
machineTypes.get            | machineTypes.get                            | count the vCPUs that a roll-out adds
networks.get                | networks.get                                | read the VPC and its peerings
networks.listPeeringRoutes  | networks.listPeeringRoutes                  | read the ranges of peered VPCs
networks.insert             | networks.create                             | create the VPC of a new cluster
networks.patch              | networks.update networks.get                | set the routing mode of the VPC
networks.delete             | networks.delete                             | delete the VPC with the cluster
subnetworks.get             | subnetworks.get                             | read ranges, stack type and IPv6 prefix
subnetworks.aggregatedList  | subnetworks.list                            | read the ranges of all subnets of the VPC
subnetworks.testIamPermissions |                                          | test permissions before the first change
subnetworks.insert          | subnetworks.create ~networks.updatePolicy   | create the IPv6 services subnet
subnetworks.patch           | subnetworks.update subnetworks.get          | set overlap flag, ranges and stack type
subnetworks.delete          | subnetworks.delete ~networks.updatePolicy   | delete subnets with the cluster
subnetworks.expandIpCidrRange | subnetworks.expandIpCidrRange             | grow the nodes subnet
routes.get                  | routes.get                                  | check that a route is deleted
routes.list                 | routes.list                                 | find node routes and conflicting routes
routes.testIamPermissions   |                                             | test permissions before the first change
routes.insert    | routes.create networks.updatePolicy ~instances.use     | restore node routes; checks and drills
routes.delete               | routes.delete ~networks.updatePolicy        | remove node routes
firewalls.get               | firewalls.get                               | read the cluster's firewall rules
firewalls.list              | firewalls.list                              | count firewall rules and find the cluster's
firewalls.insert            | firewalls.create ~networks.updatePolicy     | create the IPv6 firewall rules
firewalls.patch             | firewalls.update firewalls.get networks.updatePolicy | correct firewall rules
firewalls.delete            | firewalls.delete networks.updatePolicy      | delete firewall rules with the cluster
addresses.get               | addresses.get                               | read the fixed addresses of Cloud NAT
globalAddresses.list        | globalAddresses.list                        | read ranges reserved for private services
routers.get                 | routers.get                                 | read the Cloud Router and its NAT
routers.aggregatedList      | routers.list                                | find Cloud Routers with BGP peers
routers.getRouterStatus     | routers.get                                 | read routes learned by BGP
routers.insert              | routers.create ~networks.updatePolicy       | create the Cloud Router of a new cluster
routers.patch    | routers.update routers.get ~networks.updatePolicy ~subnetworks.use ~addresses.use | update Cloud NAT
routers.delete              | routers.delete ~networks.updatePolicy       | delete the Cloud Router with the cluster
forwardingRules.aggregatedList | forwardingRules.list                     | count internal load balancers (optional)
instances.get               | instances.get                               | read a VM's network interface and aliases
instances.list              | instances.list                              | find the cluster's VMs
instances.aggregatedList    | instances.list                              | count the VPC's interfaces
instances.testIamPermissions |                                            | test permissions before the first change
instances.getEffectiveFirewalls | instances.getEffectiveFirewalls         | read firewall policies (optional)
instances.updateNetworkInterface | instances.updateNetworkInterface subnetworks.use ~instances.get | change aliases
instances.insert | instances.create disks.create ~subnetworks.use ~images.useReadOnly ~instances.setMetadata \
~instances.setLabels | create the VM of the decoy check
instances.delete            | instances.delete                            | delete the VM of the decoy check
disks.get                   | disks.get                                   | read the node image for the decoy check
globalOperations.get        | globalOperations.get                        | wait for a change
globalOperations.list       | globalOperations.list                       | wait for several changes
regionOperations.get        | regionOperations.get                        | wait for a change
regionOperations.list       | regionOperations.list                       | wait for several changes
zoneOperations.get          | zoneOperations.get                          | wait for a change
zoneOperations.list         | zoneOperations.list                         | wait for several changes
globalOperations.aggregatedList | globalOperations.list                   | trial: wait for what a killed trial began
networks.list               | networks.list                               | trial: find the VPC networks of trials
instances.getSerialPortOutput | instances.getSerialPortOutput             | trial: read what the VMs report
instances.setMetadata       | instances.setMetadata                       | trial: send the VMs their orders
disks.aggregatedList        | disks.list                                  | trial: find disks that are left
disks.delete                | disks.delete                                | trial: delete disks that are left
"""


def _method(row: str) -> Method:
    name, permissions, purpose = (cell.strip() for cell in row.split("|"))
    documented = tuple(f"compute.{each}" for each in permissions.split() if not each.startswith("~"))
    inferred = tuple(f"compute.{each[1:]}" for each in permissions.split() if each.startswith("~"))
    return Method(name, documented, inferred, purpose)


METHODS = {method.id: method for method in map(_method, _TABLE.strip().splitlines())}

CUT_OVER = (
    "subnetworks.patch",
    "routes.insert",
    "routes.delete",
    "instances.updateNetworkInterface",
    "instances.insert",
    "instances.delete",
    *(f"{scope}Operations.{verb}" for scope in ("global", "region", "zone") for verb in ("get", "list")),
)
"""The methods by which a cut-over changes something, on any platform: those of `dualstack prepare` and `finish`."""

_VERBS = {("GET", 1): "list", ("GET", 2): "get", ("POST", 1): "insert", ("PATCH", 2): "patch", ("DELETE", 2): "delete"}
_PATHS = {"serialPort": "getSerialPortOutput"}
"""Methods whose path ends in another word than their name."""
_COLLECTIONS = {
    ("global", "operations"): "globalOperations",
    ("regions", "operations"): "regionOperations",
    ("zones", "operations"): "zoneOperations",
    ("global", "addresses"): "globalAddresses",
}


def method_of(http: str, path: str) -> Method:
    """The method that a request calls, by HTTP method and path below the project; LookupError if the table lacks it."""
    scope, *rest = path.split("/")
    if not path:
        name = "projects.get"
    elif scope in ("regions", "zones") and len(rest) == 1:
        name = f"{scope}.get"
    elif scope == "aggregated":
        collection = path.partition("/")[2]
        name = f"{'globalOperations' if collection == 'operations' else collection}.aggregatedList"
    else:
        rest = rest[scope != "global" :]
        verb = _PATHS.get(rest[2], rest[2]) if len(rest) == 3 else _VERBS.get((http, len(rest)))
        name = f"{_COLLECTIONS.get((scope, rest[0]), rest[0])}.{verb}"
    if name not in METHODS:
        raise LookupError(f"{http} {path}: {name} is not in the table of dualstack.gce.methods")
    return METHODS[name]


def permissions(*, read_only: bool = False, of: Iterable[str] | None = None) -> dict[str, tuple[Method, ...]]:
    """Every permission that a migration needs, with the methods that need it, sorted by name.

    read_only: only what preflight and other commands that change nothing need. of: the ids of these methods instead.
    """
    chosen = [name for name, method in METHODS.items() if not method.of_trials] if of is None else list(of)
    methods = [METHODS[name] for name in chosen if METHODS[name].read_only or not read_only]
    names = sorted({name for method in methods for name in (*method.permissions, *method.inferred)})
    return {name: tuple(m for m in methods if name in (*m.permissions, *m.inferred)) for name in names}

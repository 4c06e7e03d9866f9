"""The methods that read: get, list and aggregatedList of all collections (docs/reference/compute-engine.md#lists)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dualstack_sim.compute.api.errors import Json
from dualstack_sim.compute.api.listing import aggregated_document, list_document, page
from dualstack_sim.compute.api.methods import Read, reads
from dualstack_sim.compute.api.paths import AGGREGATED, EMPTY
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.balancing.endpoint_groups import EndpointGroups
from dualstack_sim.compute.balancing.instance_groups import InstanceGroups
from dualstack_sim.compute.groups.managed_groups import ManagedGroups
from dualstack_sim.compute.machines.accelerators import AcceleratorTypes
from dualstack_sim.compute.machines.images import Images
from dualstack_sim.compute.network.networks import with_subnetworks
from dualstack_sim.compute.network.peerings import Peerings
from dualstack_sim.compute.network.routes import Routes
from dualstack_sim.compute.network.static_addresses import StaticAddresses
from dualstack_sim.compute.network.utilization import VIEW as UTILIZATION
from dualstack_sim.compute.network.utilization import with_utilization
from dualstack_sim.compute.project.locations import Locations
from dualstack_sim.compute.project.project import Call, Project
from dualstack_sim.rules import enforced

_SCOPES_OF: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("subnetworks", "routers", "targetPools"), ("regions",)),
    **dict.fromkeys(
        (
            "instances", "disks", "machineTypes", "instanceGroupManagers", "instanceGroups", "autoscalers",
            "networkEndpointGroups", "targetInstances", "acceleratorTypes",
        ),
        ("zones",),
    ),
    **dict.fromkeys(
        (
            "addresses", "backendServices", "forwardingRules", "healthChecks", "sslCertificates", "sslPolicies",
            "targetHttpProxies", "targetHttpsProxies", "targetTcpProxies", "urlMaps",
        ),
        (GLOBAL, "regions"),
    ),
    "operations": (GLOBAL, "regions", "zones"),
}  # fmt: skip
"""The scopes of an aggregated list, if it is not only global."""
_PLAIN = ("networks", "subnetworks", "instances", "firewalls", "routers", "disks", "instanceTemplates")
"""Collections that are read as they are stored."""
_PLAIN_SERVICES = {
    "backendServices": "backendServices", "regionBackendServices": "backendServices",
    "forwardingRules": "forwardingRules", "globalForwardingRules": "forwardingRules",
    "healthChecks": "healthChecks", "regionHealthChecks": "healthChecks", **EMPTY,
}  # fmt: skip
"""The same for services with another name than their collection."""
_PLURAL_KINDS = ("healthChecks", "sslPolicies", "urlMaps")
"""Collections whose aggregated lists have a kind with the plural."""


def kind_of(collection: str) -> str:
    """The kind of the resources of a collection, such as `urlMap`."""
    for plural, singular in (("xies", "xy"), ("icies", "icy"), ("sses", "ss"), ("s", "")):
        if collection.endswith(plural):
            return collection.removesuffix(plural) + singular
    return collection


class Reading:
    """The reading methods of one project."""

    def __init__(self, project: Project, groups: ManagedGroups, routes: Routes, addresses: StaticAddresses) -> None:
        self._project = project
        self._operations = project.operations
        self._groups = groups
        self._routes = routes
        self._addresses = addresses
        self._locations = Locations(project)
        self._images = Images(project)
        self._accelerators = AcceleratorTypes(project)
        self._instance_groups = InstanceGroups(project)
        self._endpoint_groups = EndpointGroups(project)

    def methods(self) -> dict[str, Read]:
        """Method id -> implementation."""
        methods: dict[str, Read] = {
            "regions.list": lambda call: self._list(call, "regions", self._locations.regions()),
            "zones.list": lambda call: self._list(call, "zones", self._locations.zones()),
            "images.list": lambda call: self._list(call, "images", self._images.rows(call)),
            "globalAddresses.list": self._lister("addresses"),
            "networks.listPeeringRoutes": self._peering_routes,
            "instanceGroupManagers.get": self._groups.get,
            "instanceGroupManagers.list": self._lister("instanceGroupManagers"),
            "instanceGroupManagers.listManagedInstances": self._managed_instances,
            "instanceGroups.get": self._instance_group,
            "instanceGroups.list": self._lister("instanceGroups"),
            "instanceGroups.listInstances": self._instances_of_group,
            "acceleratorTypes.get": self._accelerators.get,
            "acceleratorTypes.list": self._lister("acceleratorTypes"),
            "networkEndpointGroups.get": self._endpoint_groups.get,
            "networkEndpointGroups.list": self._lister("networkEndpointGroups"),
            "networkEndpointGroups.listNetworkEndpoints": self._endpoints,
        }
        for service, collection in _PLAIN_SERVICES.items():
            methods[f"{service}.get"] = self._getter(collection)
            methods[f"{service}.list"] = self._lister(collection)
        for collection in _PLAIN:
            methods[f"{collection}.get"] = self._getter(collection)
        for collection in (*_PLAIN, "routes", "addresses", "machineTypes"):
            methods[f"{collection}.list"] = self._lister(collection)
        for collection in AGGREGATED:
            service = "globalOperations" if collection == "operations" else collection
            methods[f"{service}.aggregatedList"] = self._aggregator(collection)
        for service in ("globalOperations", "regionOperations", "zoneOperations"):
            methods[f"{service}.get"] = self._operation
            methods[f"{service}.list"] = self._lister("operations")
            methods[f"{service}.delete"] = self._delete_operation
        return methods | reads(self._project, self._routes, self._addresses)

    def _viewed(self, call: Call, collection: str, rows: Iterable[Json]) -> Iterable[Json]:
        """The rows in the requested view."""
        if collection == "networks":
            return [with_subnetworks(self._project, row) for row in rows]
        if collection != "subnetworks" or call.query.get("views") != UTILIZATION:
            return rows
        return [with_utilization(self._project, row) for row in rows]

    def _getter(self, collection: str) -> Read:
        return lambda call: self._get(call, collection)

    def _get(self, call: Call, collection: str) -> Json:
        found = self._project.inventory.get(Key(collection, call.scope, call.name))
        return next(iter(self._viewed(call, collection, [found])))

    def _lister(self, collection: str) -> Read:
        return lambda call: self._list(
            call, collection, self._viewed(call, collection, self._rows(collection, call.scope, call.now))
        )

    def _aggregator(self, collection: str) -> Read:
        return lambda call: self._aggregate(call, collection)

    def _operation(self, call: Call) -> Json:
        self._operations.expire(call.now)
        return self._operations.render(self._operations.get(Key("operations", call.scope, call.name)), call.now)

    def _delete_operation(self, call: Call) -> Json:
        self._operations.delete(Key("operations", call.scope, call.name))
        return {}

    # -- lists

    def _rows(self, collection: str, scope: str, now: float) -> Iterable[Json]:
        if collection == "operations":
            self._operations.expire(now)
            return [self._operations.render(operation, now) for operation in self._operations.all(scope)]
        if collection == "routes":
            return self._routes.shown()
        if collection == "addresses":
            return self._addresses.shown(scope)
        if collection == "instanceGroupManagers":
            return self._groups.rows(scope)
        if collection == "instanceGroups":
            return [*self._groups.group_rows(scope), *self._instance_groups.rows(scope)]
        if collection == "networkEndpointGroups":
            return self._endpoint_groups.rows(scope)
        if collection == "acceleratorTypes":
            return self._accelerators.rows(scope)
        if collection == "machineTypes":
            return self._locations.machine_types(scope)
        return self._project.inventory.table(collection, scope).values()

    def _list(self, call: Call, collection: str, rows: Iterable[Json]) -> Json:
        path = f"{call.scope}/{collection}".lstrip("/")
        link = self._project.links.within(path)
        identity = f"projects/{self._project.name}/{path}"
        if collection == "routes":
            return list_document("route", identity, link, rows, call.query, self._routes.with_warnings)
        kind = collection if collection == "sslPolicies" else kind_of(collection)
        return list_document(kind, identity, link, rows, call.query)

    def _peering_routes(self, call: Call) -> Json:
        path = f"global/networks/{call.name}/listPeeringRoutes"
        rows = [row | {"name": row["destRange"]} for row in Peerings(self._project).routes(call)]
        return list_document(
            "exchangedPeeringRoutes", f"projects/{self._project.name}/{path}", self._project.links.within(path), rows,
            call.query, lambda row: {field: value for field, value in row.items() if field != "name"},
        )  # fmt: skip

    def _managed_instances(self, call: Call) -> Json:
        rows, token = page(self._groups.managed(call), call.query)
        document: Json = {"managedInstances": rows} if rows else {}
        return document | ({"nextPageToken": token} if token else {})

    def _instance_group(self, call: Call) -> Json:
        if self._project.inventory.find(Key("instanceGroupManagers", call.scope, call.name)):
            return self._groups.group_get(call)
        return self._instance_groups.get(call)

    def _instances_of_group(self, call: Call) -> Json:
        rows = self._instance_groups.instances(call, self._groups.group_vms(call))
        return self._member_list(call, "instanceGroupsListInstances", "listInstances", rows)

    def _endpoints(self, call: Call) -> Json:
        rows = self._endpoint_groups.endpoints(call)
        return self._member_list(call, "networkEndpointGroupsListNetworkEndpoints", "listNetworkEndpoints", rows)

    def _member_list(self, call: Call, kind: str, verb: str, rows: list[Json]) -> Json:
        """A list of members, which have no names of their own."""
        path = f"{call.scope}/{call.method.partition('.')[0]}/{call.name}/{verb}"
        document = list_document(
            kind, f"projects/{self._project.name}/{path}", self._project.links.within(path), rows, call.query,
            lambda row: {field: value for field, value in row.items() if field != "name"},
        )  # fmt: skip
        document["kind"] = f"compute#{kind}"
        if verb == "listNetworkEndpoints":
            del document["selfLink"]
        return document

    def _aggregate(self, call: Call, collection: str) -> Json:
        places = {
            GLOBAL: [GLOBAL],
            "regions": [f"regions/{region}" for region in sorted(self._project.regions)],
            "zones": sorted(f"zones/{zone}" for names in self._project.regions.values() for zone in names),
        }
        everywhere = call.query.get("includeAllScopes", "").lower() == "true" and enforced("lists.all-scopes")
        chosen = tuple(places) if everywhere else _SCOPES_OF.get(collection, (GLOBAL,))
        scopes = [scope for place in chosen for scope in places[place]]
        path = f"aggregated/{collection}"
        return aggregated_document(
            collection if collection in _PLURAL_KINDS else kind_of(collection),
            f"projects/{self._project.name}/{path}",
            self._project.links.within(path),
            scopes,
            lambda scope: self._viewed(call, collection, self._rows(collection, scope, call.now)),
            call.query,
        )

"""The methods that read: get, list and aggregatedList of all collections (docs/reference/compute-engine.md#lists)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dualstack_sim.compute.api.errors import Json
from dualstack_sim.compute.api.listing import aggregated_document, list_document, page
from dualstack_sim.compute.api.methods import Read, reads
from dualstack_sim.compute.api.paths import AGGREGATED
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.groups.managed_groups import ManagedGroups
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

_KINDS = {
    "networks": "network", "subnetworks": "subnetwork", "routes": "route", "instances": "instance",
    "firewalls": "firewall", "routers": "router", "addresses": "address", "operations": "operation",
    "regions": "region", "zones": "zone", "machineTypes": "machineType", "disks": "disk", "images": "image",
    "instanceTemplates": "instanceTemplate", "instanceGroupManagers": "instanceGroupManager",
    "instanceGroups": "instanceGroup", "autoscalers": "autoscaler",
}  # fmt: skip
_SCOPE_OF: Mapping[str, str] = {
    "subnetworks": "regions", "routers": "regions", "addresses": "regions", "instances": "zones", "disks": "zones",
    "machineTypes": "zones", "instanceGroupManagers": "zones", "instanceGroups": "zones", "autoscalers": "zones",
}  # fmt: skip
_PLAIN = ("networks", "subnetworks", "instances", "firewalls", "routers", "disks", "instanceTemplates", "autoscalers")
"""Collections that are read as they are stored. Autoscalers never exist, but clients list them."""


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
            "instanceGroups.get": self._groups.group_get,
            "instanceGroups.list": self._lister("instanceGroups"),
        }
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
            return self._groups.group_rows(scope)
        if collection == "machineTypes":
            return self._locations.machine_types(scope)
        return self._project.inventory.table(collection, scope).values()

    def _list(self, call: Call, collection: str, rows: Iterable[Json]) -> Json:
        path = f"{call.scope}/{collection}".lstrip("/")
        link = self._project.links.within(path)
        identity = f"projects/{self._project.name}/{path}"
        if collection == "routes":
            return list_document("route", identity, link, rows, call.query, self._routes.with_warnings)
        return list_document(_KINDS[collection], identity, link, rows, call.query)

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

    def _aggregate(self, call: Call, collection: str) -> Json:
        regions = [f"regions/{region}" for region in sorted(self._project.regions)]
        zones = [f"zones/{zone}" for names in self._project.regions.values() for zone in names]
        scopes = {"regions": regions, "zones": sorted(zones)}.get(_SCOPE_OF.get(collection, ""), [GLOBAL])
        if collection == "addresses":
            scopes = [GLOBAL, *regions]
        everywhere = call.query.get("includeAllScopes", "").lower() == "true" and enforced("lists.all-scopes")
        if collection == "operations" or everywhere:
            scopes = [GLOBAL, *regions, *sorted(zones)]
        path = f"aggregated/{collection}"
        return aggregated_document(
            _KINDS[collection],
            f"projects/{self._project.name}/{path}",
            self._project.links.within(path),
            scopes,
            lambda scope: self._viewed(call, collection, self._rows(collection, scope, call.now)),
            call.query,
        )

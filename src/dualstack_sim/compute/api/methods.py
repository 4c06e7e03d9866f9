"""Maps every method to its implementation: start here to find what the simulator does on a request.

Find the method id in a table below and open the module of the class. Modules are named after resources:

    network/    networks, subnetworks (with secondary_ranges, ipv6_prefixes, range_conflicts, purposes, utilization),
                routes, firewalls, routers (with nats, advertising, router_status), static_addresses, peerings (with
                peering_conflicts)
    machines/   instances (insert, delete, start, stop, tags, labels, metadata), interfaces (updateNetworkInterface,
                with aliases and allocation_transaction), access_configs, instance_updates, disks, images,
                accelerators, serial_ports, run_limits
    balancing/  forwarding_rules (with frontend_addresses, ports), backend_services, health_checks, instance_groups,
                endpoint_groups (with backend_groups)
    groups/     managed_groups (requests, with update_policy), managed_instances (reconcile loop), instance_templates
    project/    inventory (storage), quotas, allocation_quotas, latency, knobs, locations, metadata

For example, a patch of `aliasIpRanges` is instances.updateNetworkInterface: `Interfaces.update` in
machines/interfaces.py checks the request, machines/aliases.py parses and allocates the ranges. `reading.py` implements
get and list of all resources. A rule is enforced where its id is passed to `enforced`; see also `sim rules`.
"""

from __future__ import annotations

from collections.abc import Callable

from dualstack_sim.compute.api.errors import Json
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.resource_changes import labels_setter
from dualstack_sim.compute.balancing.backend_services import BackendServices
from dualstack_sim.compute.balancing.endpoint_groups import EndpointGroups
from dualstack_sim.compute.balancing.forwarding_rules import ForwardingRules
from dualstack_sim.compute.balancing.health_checks import HealthChecks
from dualstack_sim.compute.balancing.instance_groups import InstanceGroups
from dualstack_sim.compute.groups.instance_templates import InstanceTemplates
from dualstack_sim.compute.groups.managed_groups import ManagedGroups
from dualstack_sim.compute.machines.access_configs import AccessConfigs
from dualstack_sim.compute.machines.disks import DiskAttachments, Disks
from dualstack_sim.compute.machines.images import Images
from dualstack_sim.compute.machines.instance_updates import InstanceUpdates
from dualstack_sim.compute.machines.instances import Instances
from dualstack_sim.compute.machines.interfaces import Interfaces
from dualstack_sim.compute.machines.serial_ports import SerialPorts
from dualstack_sim.compute.network.firewalls import EffectiveFirewalls, Firewalls
from dualstack_sim.compute.network.networks import Networks
from dualstack_sim.compute.network.peerings import Peerings
from dualstack_sim.compute.network.router_status import RouterStatus
from dualstack_sim.compute.network.routers import Routers
from dualstack_sim.compute.network.routes import Routes
from dualstack_sim.compute.network.static_addresses import StaticAddresses
from dualstack_sim.compute.network.subnetworks import Subnetworks
from dualstack_sim.compute.project.locations import Locations
from dualstack_sim.compute.project.metadata import ProjectMetadata
from dualstack_sim.compute.project.project import Call, Project

Read = Callable[[Call], Json]
Mutation = Callable[[Call], Work]

_WITHOUT_BODY = frozenset(
    (
        "instances.start", "instances.stop", "instances.reset", "instances.setDeletionProtection",
        "instances.deleteAccessConfig", "instances.detachDisk", "instanceGroupManagers.resize",
    )
)  # fmt: skip


READS_WITH_BODY = frozenset(("instanceGroups.listInstances", "networkEndpointGroups.listNetworkEndpoints"))


def takes_body(method: str, *, changes: bool) -> bool:
    """Whether a method has a request body; few reads do."""
    if not changes:
        return method in READS_WITH_BODY or method.endswith(".testIamPermissions")
    return method not in _WITHOUT_BODY and not method.endswith(".delete")


def mutations(
    project: Project, routes: Routes, addresses: StaticAddresses, groups: ManagedGroups
) -> dict[str, Mutation]:
    """Every method that starts an operation."""
    return {
        **_network_mutations(project, routes, addresses),
        **_machine_mutations(project),
        **_group_mutations(project, groups),
        **_balancing_mutations(project),
    }


def _network_mutations(project: Project, routes: Routes, addresses: StaticAddresses) -> dict[str, Mutation]:
    networks, subnetworks, peerings = Networks(project), Subnetworks(project), Peerings(project)
    firewalls, routers = Firewalls(project), Routers(project)
    return {
        "projects.setCommonInstanceMetadata": ProjectMetadata(project).set,
        "networks.insert": networks.insert,
        "networks.patch": networks.patch,
        "networks.delete": networks.delete,
        "networks.addPeering": peerings.add,
        "networks.updatePeering": peerings.update,
        "networks.removePeering": peerings.remove,
        "subnetworks.insert": subnetworks.insert,
        "subnetworks.patch": subnetworks.patch,
        "subnetworks.delete": subnetworks.delete,
        "subnetworks.expandIpCidrRange": subnetworks.expand,
        "subnetworks.setPrivateIpGoogleAccess": subnetworks.set_private_access,
        "routes.insert": routes.insert,
        "routes.delete": routes.delete,
        "firewalls.insert": firewalls.insert,
        "firewalls.patch": firewalls.patch,
        "firewalls.update": firewalls.update,
        "firewalls.delete": firewalls.delete,
        "routers.insert": routers.insert,
        "routers.patch": routers.patch,
        "routers.update": routers.update,
        "routers.delete": routers.delete,
        "addresses.insert": addresses.insert,
        "addresses.delete": addresses.delete,
        "globalAddresses.insert": addresses.insert,
        "globalAddresses.delete": addresses.delete,
        "addresses.setLabels": labels_setter(project, "addresses"),
        "globalAddresses.setLabels": labels_setter(project, "addresses"),
    }


def _machine_mutations(project: Project) -> dict[str, Mutation]:
    instances, interfaces, disks = Instances(project), Interfaces(project), Disks(project)
    access, changes, attachments = AccessConfigs(project), InstanceUpdates(project), DiskAttachments(project)
    return {
        "instances.insert": instances.insert,
        "instances.delete": instances.delete,
        "instances.start": instances.start,
        "instances.stop": instances.stop,
        "instances.updateNetworkInterface": interfaces.update,
        "instances.setTags": instances.set_tags,
        "instances.setLabels": instances.set_labels,
        "instances.setMetadata": instances.set_metadata,
        "instances.addAccessConfig": access.add,
        "instances.deleteAccessConfig": access.delete,
        "instances.updateAccessConfig": access.update,
        "instances.update": changes.update,
        "instances.setMachineType": changes.set_machine_type,
        "instances.setDeletionProtection": changes.set_deletion_protection,
        "instances.reset": changes.reset,
        "instances.attachDisk": attachments.attach,
        "instances.detachDisk": attachments.detach,
        "disks.insert": disks.insert,
        "disks.delete": disks.delete,
        "disks.resize": disks.resize,
        "disks.setLabels": labels_setter(project, "disks"),
    }


def _group_mutations(project: Project, groups: ManagedGroups) -> dict[str, Mutation]:
    templates = InstanceTemplates(project)
    return {
        "instanceTemplates.insert": templates.insert,
        "instanceTemplates.delete": templates.delete,
        "instanceGroupManagers.insert": groups.insert,
        "instanceGroupManagers.patch": groups.patch,
        "instanceGroupManagers.delete": groups.delete,
        "instanceGroupManagers.resize": groups.resize,
        "instanceGroupManagers.setInstanceTemplate": groups.set_template,
        "instanceGroupManagers.recreateInstances": groups.recreate,
        "instanceGroupManagers.deleteInstances": groups.delete_instances,
        "instanceGroupManagers.abandonInstances": groups.abandon,
    }


def _balancing_mutations(project: Project) -> dict[str, Mutation]:
    services, checks, rules = BackendServices(project), HealthChecks(project), ForwardingRules(project)
    groups, endpoints = InstanceGroups(project), EndpointGroups(project)
    methods: dict[str, Mutation] = {
        "instanceGroups.insert": groups.insert,
        "instanceGroups.delete": groups.delete,
        "instanceGroups.addInstances": groups.add,
        "instanceGroups.removeInstances": groups.remove,
        "instanceGroups.setNamedPorts": groups.set_ports,
        "networkEndpointGroups.insert": endpoints.insert,
        "networkEndpointGroups.delete": endpoints.delete,
        "networkEndpointGroups.attachNetworkEndpoints": endpoints.attach,
        "networkEndpointGroups.detachNetworkEndpoints": endpoints.detach,
    }
    for service in ("backendServices", "regionBackendServices"):
        methods |= _four(service, services)
    for service in ("healthChecks", "regionHealthChecks"):
        methods |= _four(service, checks)
    for service in ("forwardingRules", "globalForwardingRules"):
        methods |= {
            f"{service}.insert": rules.insert,
            f"{service}.patch": rules.patch,
            f"{service}.setTarget": rules.set_target,
            f"{service}.setLabels": labels_setter(project, "forwardingRules"),
            f"{service}.delete": rules.delete,
        }
    return methods


def _four(service: str, methods: BackendServices | HealthChecks) -> dict[str, Mutation]:
    return {
        f"{service}.insert": methods.insert,
        f"{service}.patch": methods.patch,
        f"{service}.update": methods.update,
        f"{service}.delete": methods.delete,
    }


def reads(project: Project, routes: Routes, addresses: StaticAddresses) -> dict[str, Read]:
    """The reads that compute more than a stored resource."""
    places, images, firewalls = Locations(project), Images(project), EffectiveFirewalls(project)
    return {
        "projects.get": places.project,
        "regions.get": places.region,
        "zones.get": places.zone,
        "machineTypes.get": places.machine_type,
        "images.get": images.get,
        "images.getFromFamily": images.from_family,
        "routes.get": routes.get,
        "addresses.get": addresses.get,
        "globalAddresses.get": addresses.get,
        "routers.getRouterStatus": RouterStatus(project).get,
        "networks.getEffectiveFirewalls": firewalls.of_network,
        "instances.getEffectiveFirewalls": firewalls.of_instance,
        "instances.getSerialPortOutput": SerialPorts(project).get,
    }

"""An actuator for the cluster of a scene."""

from __future__ import annotations

from dualstack.cutover.actuator import CloudActuator
from dualstack.cutover.decoys import Decoys
from dualstack.gardener.controllers.cloud_controller_manager import CloudControllerManager
from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.controllers.infrastructure.record import InfrastructureRecord
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.platform import GardenerPlatform
from dualstack.gce import ComputeClient
from dualstack.model import kinds
from tests.sim.infrastructure.scene import Scene
from tests.support.clusters import one_api_server


async def actuator_of(made: Scene) -> tuple[CloudActuator, ComputeClient]:
    shoot = ShootView.of(made.world.shoot)
    secret = made.store.get(kinds.SECRET, "cloudprovider", made.namespace)
    assert secret is not None
    compute = made.clients.of(secret)
    desired = Desired.of(shoot, project=compute.project, region=shoot.region)
    record = InfrastructureRecord(made.kube, made.shoot, made.namespace)
    manager = CloudControllerManager(made.kube, made.clock, made.namespace)
    decoys = Decoys(compute, made.kube, made.clock, made.events.append, desired.cluster)
    actuator = CloudActuator(
        compute=compute,
        cluster=desired.cluster,
        platform=GardenerPlatform(one_api_server(made.kube), made.namespace, record, manager),
        decoys=decoys,
        clock=made.clock,
    )
    return actuator, compute

"""A CNI that is new to both registries goes through a whole migration, on the nodes of the simulated cloud."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dualstack.gardener.model.kinds import NETWORK
from dualstack.model.json_path import dig
from tests.sim.landscape.driving import migrated
from tests.support.third_cni import registered
from tests.support.third_cni.product import FLAT
from tests.support.virtual_world import EXAMPLE, virtual_world


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_one_module_in_the_product_and_one_in_the_simulator_are_enough(tmp_path: Path) -> None:
    shoot = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    shoot["spec"]["networking"]["type"] = FLAT.network_type
    version = f"{FLAT.network_type}.networking.extensions.gardener.cloud/v1alpha1"
    shoot["spec"]["networking"]["providerConfig"]["apiVersion"] = version
    file = tmp_path / "shoot.yaml"
    file.write_text(yaml.safe_dump(shoot), encoding="utf-8")
    with registered():
        async with virtual_world("provider-gcp", shoot=file) as owner:
            await migrated(owner)
            traffic = await owner.control("/traffic")
            network = await owner.seed.get(NETWORK, owner.name, owner.namespace)
    assert dig(network, "spec", "type") == "flat"
    assert dig(network, "status", "ipFamilies") == ["IPv4", "IPv6"]
    assert traffic["ipv6"]["laterPairs"] > 0
    assert traffic["current"] == traffic["ipv6"]["current"] == 0

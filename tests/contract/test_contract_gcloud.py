"""gcloud, as an administrator types it, through the life of what the migration touches."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dualstack_sim.compute.backend import Compute
from tests.contract.story import PROJECT, REGION, SETTING, ZONE, check_end_of_life, furnish
from tests.sim.compute.cloud import make, served

pytestmark = [pytest.mark.clients, pytest.mark.slow]
Gcloud = Callable[[str], subprocess.CompletedProcess[str]]

LIFE = f"""
compute networks create vpc --subnet-mode=custom
compute networks subnets create nodes --network=vpc --region={REGION} --range=10.250.0.0/16
compute instances create vm0 --zone={ZONE} --machine-type=n1-standard-2 --can-ip-forward --network-interface=subnet=nodes,no-address
compute instances create vm1 --zone={ZONE} --machine-type=n1-standard-2 --can-ip-forward --network-interface=subnet=nodes,no-address
compute routes create r0 --network=vpc --destination-range=100.96.0.0/24 --next-hop-instance=vm0 --next-hop-instance-zone={ZONE}
compute routes create r1 --network=vpc --destination-range=100.96.1.0/24 --next-hop-instance=vm1 --next-hop-instance-zone={ZONE}
beta compute networks subnets update nodes --region={REGION} --allow-cidr-routes-overlap
compute networks subnets update nodes --region={REGION} --add-secondary-ranges=ipv4-pod-cidr=100.96.0.0/11
compute instances network-interfaces update vm0 --zone={ZONE} --aliases=ipv4-pod-cidr:100.96.0.0/24
compute instances network-interfaces update vm1 --zone={ZONE} --aliases=ipv4-pod-cidr:100.96.1.0/24
compute routes delete r0 r1
beta compute networks subnets update nodes --region={REGION} --no-allow-cidr-routes-overlap
compute networks subnets update nodes --region={REGION} --stack-type=IPV4_IPV6 --ipv6-access-type=external
compute instances network-interfaces update vm0 --zone={ZONE} --stack-type=IPV4_IPV6 --aliases=ipv4-pod-cidr:100.96.0.0/24
"""  # noqa: E501 - commands stay on one line

REFUSALS = {
    "compute networks describe none": "was not found",
    "compute networks create vpc --subnet-mode=custom": "already exists",
    f"compute networks subnets create other --network=vpc --region={REGION} --range=10.250.4.0/24": "conflicts with",
    f"compute networks subnets delete nodes --region={REGION}": "already being used by",
    "compute networks delete vpc": "already being used by",
    f"compute routes create inside --network=vpc --destination-range=100.96.0.0/24 --next-hop-instance=vm0 "
    f"--next-hop-instance-zone={ZONE}": "hides the address space of the network",
    f"compute instances network-interfaces update vm0 --zone={ZONE} --stack-type=IPV4_IPV6 "
    "--aliases=ipv4-pod-cidr:100.96.0.0/24": "Invalid value for field",
}


@pytest.fixture
def compute() -> Compute:
    return make(SETTING)[0]


@pytest.fixture
def gcloud(compute: Compute, tmp_path: Path) -> Iterator[Gcloud]:
    with served(compute) as root:
        environment = {
            **os.environ,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{root}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_CONFIG": str(tmp_path),
        }

        def run(command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["gcloud", *command.split()],
                check=False, env=environment, capture_output=True, text=True, timeout=60,
            )  # fmt: skip

        yield run


def test_gcloud_lives_the_migration(gcloud: Gcloud, compute: Compute) -> None:
    for command in LIFE.strip().splitlines():
        ran = gcloud(command)
        assert ran.returncode == 0, f"{command}\n{ran.stderr}"
    check_end_of_life(compute)


def test_gcloud_wipes_the_aliases_that_it_is_not_told_again(gcloud: Gcloud, compute: Compute) -> None:
    """compute-api.md 7.3, cutover.md E13: the command sends an empty list."""
    furnish(compute)
    for command in (
        f"compute networks subnets update nodes --region={REGION} --stack-type=IPV4_IPV6 --ipv6-access-type=external",
        f"compute instances network-interfaces update vm0 --zone={ZONE} --stack-type=IPV4_IPV6",
    ):
        ran = gcloud(command)
        assert ran.returncode == 0, ran.stderr
    found = compute.find("instances", f"zones/{ZONE}", "vm0")
    assert found is not None
    interface = found["networkInterfaces"][0]
    assert interface["stackType"] == "IPV4_IPV6"
    assert "aliasIpRanges" not in interface


def test_gcloud_is_refused(gcloud: Gcloud, compute: Compute) -> None:
    furnish(compute)
    for command, why in REFUSALS.items():
        ran = gcloud(command)
        assert ran.returncode == 1, command
        assert why in ran.stderr, f"{command}\n{ran.stderr}"

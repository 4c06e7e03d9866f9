"""gcloud, as an administrator types it, through the calls of the migration."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from dualstack_sim.compute.api.backend import Compute
from tests.contract.story import PROJECT, REGION, SETTING, SMALL, STANDING, ZONE, check_end_of_life, populate
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

SUBNET = f"compute networks subnets update nodes --region={REGION}"
NIC = f"compute instances network-interfaces update --zone={ZONE}"
HOP = f"--network=vpc --next-hop-instance-zone={ZONE} --next-hop-instance"
MACHINE = f"compute instances create --zone={ZONE} --machine-type=n1-standard-2 --network-interface"
REFUSALS = {
    "compute networks describe none": "was not found",
    "compute routes delete none": "was not found",
    "compute networks create Not_A_Name --subnet-mode=custom": "Must be a match of regex",
    "compute networks create vpc --subnet-mode=custom": "already exists",
    f"compute networks subnets create other --network=vpc --region={REGION} --range=10.250.4.0/24": "conflicts with",
    f"compute networks subnets create other --network=vpc --region={REGION} --range=172.16.0.0/24": "conflicts with",
    f"compute networks subnets delete nodes --region={REGION}": "already being used by",
    "compute networks delete vpc": "already being used by",
    f"{SUBNET} --add-secondary-ranges=twice=10.250.0.0/24": "conflicts with",
    f"{SUBNET} --add-secondary-ranges=over=172.16.0.0/12": "conflicts with existing route",
    f"{SUBNET} --remove-secondary-ranges=ipv4-pod-cidr": "already being used by",
    f"{SUBNET} --stack-type=IPV4_IPV6 --ipv6-access-type=internal": "Invalid value for field",
    f"compute networks subnets update inner --region={REGION} --stack-type=IPV4_ONLY": "Invalid value for field",
    f"compute routes create outside {HOP}=vm0 --destination-range=172.16.0.0/24": "already exists",
    f"compute routes create inside {HOP}=vm0 --destination-range=100.96.0.0/24": "hides the address space",
    f"compute routes create hopless {HOP}=none --destination-range=172.17.0.0/24": "Invalid value for field",
    f"{MACHINE}=subnet=nodes,no-address,aliases=ipv4-pod-cidr:100.96.0.0/24 taken": "already being used by",
    f"{MACHINE}=subnet=nodes,no-address,aliases=ipv4-pod-cidr:/11 full": "is exhausted",
    f"{NIC} vm0 --aliases=ipv4-pod-cidr:100.96.7.0/24": "Cannot simultaneously add and remove alias IP ranges",
    f"{NIC} vm1 --aliases=ipv4-pod-cidr:10.9.0.0/24": "Invalid value for field",
    f"{NIC} vm1 --aliases=ipv4-pod-cidr:100.96.0.0/24": "already being used by",
    f"{NIC} vm0 --stack-type=IPV4_IPV6 --aliases=ipv4-pod-cidr:100.96.0.0/24": "Invalid value for field",
}
"""Refusals of the story that gcloud avoids: it reads fingerprints itself and sends one kind of change at a time."""


@contextmanager
def gcloud_at(compute: Compute, folder: Path) -> Iterator[Gcloud]:
    """Runs a command; its configuration is in `folder`."""
    with served(compute) as root:
        environment = {
            **os.environ,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{root}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_CONFIG": str(folder),
        }

        def run(command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["gcloud", *command.split()],
                check=False, env=environment, capture_output=True, text=True, timeout=60,
            )  # fmt: skip

        yield run


@pytest.fixture
def compute() -> Compute:
    return make(SETTING)[0]


@pytest.fixture
def gcloud(compute: Compute, tmp_path: Path) -> Iterator[Gcloud]:
    with gcloud_at(compute, tmp_path) as run:
        yield run


def test_gcloud_executes_the_migration(gcloud: Gcloud, compute: Compute) -> None:
    for command in LIFE.strip().splitlines():
        ran = gcloud(command)
        assert ran.returncode == 0, f"{command}\n{ran.stderr}"
    check_end_of_life(compute)


def test_gcloud_clears_aliases_that_the_command_omits(gcloud: Gcloud, compute: Compute) -> None:
    """The command sends an empty list.

    Source: docs/reference/compute-engine.md#empty-alias-list, docs/reference/cut-over.md#e13.
    """
    populate(compute)
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


def check_refusals(gcloud: Gcloud, refusals: Mapping[str, str]) -> None:
    for command, why in refusals.items():
        ran = gcloud(command)
        assert ran.returncode == 1, f"{command}\n{ran.stderr}"
        assert why in ran.stderr, f"{command}\n{ran.stderr}"


@pytest.mark.timeout(400)
def test_gcloud_is_refused(gcloud: Gcloud, compute: Compute) -> None:
    populate(compute)
    check_refusals(gcloud, REFUSALS)


def test_gcloud_shows_that_routes_conflict_with_clearing_the_flag(gcloud: Gcloud, compute: Compute) -> None:
    """Refused, as knob K2 says by default (docs/reference/cut-over.md#k2)."""
    populate(compute)
    for command in (
        f"beta {SUBNET} --allow-cidr-routes-overlap",
        f"{SUBNET} --add-secondary-ranges=over=172.16.0.0/12",
    ):
        ran = gcloud(command)
        assert ran.returncode == 0, ran.stderr
    check_refusals(gcloud, {f"beta {SUBNET} --no-allow-cidr-routes-overlap": "Invalid value for field"})


def test_gcloud_shows_exhausted_quotas(tmp_path: Path) -> None:
    """Quotas of networks (docs/reference/compute-engine.md#allocation-quotas)."""
    compute, _, _ = make(SMALL)
    populate(compute)
    with gcloud_at(compute, tmp_path) as gcloud:
        check_refusals(
            gcloud,
            {
                f"compute routes create third {HOP}=vm0 --destination-range=172.21.0.0/24": "exceeded",
                f"{SUBNET} --add-secondary-ranges=third=10.78.0.0/24": "At most 2 secondary IP ranges",
            },
        )


def test_gcloud_shows_resources_not_ready_and_rate_limits(tmp_path: Path) -> None:
    """Time stands still, so the patch keeps running and the quota is not refilled.

    Source: docs/reference/compute-engine.md#concurrency, docs/reference/compute-engine.md#api-rate-quotas.
    """
    compute, _, _ = make(STANDING)
    populate(compute)
    with gcloud_at(compute, tmp_path) as gcloud:
        found = compute.find("subnetworks", f"regions/{REGION}", "nodes")
        assert found is not None
        change = {"fingerprint": found["fingerprint"], "allowSubnetCidrRoutesOverlap": True}
        asyncio.run(compute.answer("subnetworks.patch", f"regions/{REGION}", "nodes", body=change))
        check_refusals(gcloud, {f"{MACHINE}=subnet=nodes,no-address vm2": "is not ready"})
        assert gcloud("compute networks list").returncode == 0
        assert gcloud("compute networks list").returncode == 0
        check_refusals(gcloud, {"compute networks list": "Quota exceeded for quota metric 'List requests'"})

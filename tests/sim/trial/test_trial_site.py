"""A trial makes its own VPC network, removes it, and touches nothing else."""

from __future__ import annotations

import pytest

from dualstack.gce.methods import method_of
from dualstack.trial.estimate import methods_of
from dualstack.trial.experiments.registry import chosen
from dualstack.trial.ownership import ForeignResource, Owner
from dualstack.trial.run import TrialFailed
from dualstack_sim.faults.reading import parse_faults
from tests.sim.trial.world import OWNER, REGION, Killed, world

API_ONLY = ("overlap-flag", "repeated-alias")


async def test_a_trial_answers_and_leaves_nothing() -> None:
    async with world() as made:
        before = made.resources()
        trial = await made.trial(*API_ONLY)
        assert {fact.id: (fact.answer, fact.confidence) for fact in trial.facts} == {
            "T1": ("shown", "certain"),
            "T16": ("collapsed", "certain"),
        }
        assert trial.knobs == {"overlap-flag": "shown", "repeated-alias": "collapsed"}
        assert made.resources() == before
        assert trial.left == ()
        assert trial.image == "debian-12"
        patches = [exchange for exchange in trial.facts[0].exchanges if exchange.call.startswith("PATCH")]
        assert patches[0].body["allowSubnetCidrRoutesOverlap"] is True
        assert patches[0].operation["status"] == "DONE"


@pytest.mark.parametrize("refused", [False, True], ids=["accepted", "refused"])
async def test_the_document_names_neither_the_project_nor_the_account(*, refused: bool) -> None:
    error = {"code": "INVALID_FIELD_VALUE", "message": "The resource 'projects/proj-1/global/networks/x' is bad."}
    rule = {"method": "instances.updateNetworkInterface", "count": 99, "operationError": error}
    async with world(faults=parse_faults({"faults": [rule] if refused else []})) as made:
        trial = await made.trial(*API_ONLY)
    text = str(trial)
    assert ("is bad" in trial.facts[1].explanation) == refused
    assert "projects/PROJECT/" in text
    assert "proj-1" not in text
    assert "'user'" not in text


async def test_the_calls_of_a_trial_are_those_that_it_announces() -> None:
    async with world() as made:
        client = made.client()
        await made.trial(*API_ONLY, compute=client)
        called = {method_of(*each.split(" ")).id for each in client.sent}
    assert called <= set(methods_of(chosen(API_ONLY)))


@pytest.mark.parametrize("answered", [False, True], ids=["unsent", "answered"])
@pytest.mark.parametrize(
    ("names", "every"),
    [
        (("overlap-flag",), 4),
        pytest.param(API_ONLY, 1, marks=pytest.mark.slow),
        pytest.param(("overlap-flag", "guest-agent"), 5, marks=pytest.mark.slow),
    ],
    ids=["without VMs", "with a VM", "with traffic"],
)
async def test_a_trial_killed_at_any_request_is_removed_by_cleanup(
    names: tuple[str, ...], every: int, *, answered: bool
) -> None:
    async with world(knobs=["request-latency=none"]) as made:
        before = made.resources()
        whole = made.client()
        await made.trial(*names, compute=whole)
        changes = [at for at, call in enumerate(whole.sent, 1) if not call.startswith("GET")]
        assert len(changes) > 6
        for number, at in enumerate(changes[::every]):
            client = made.client(Owner(f"{number:08x}"))
            client.dies_at, client.answered = at, answered
            with pytest.raises(Killed):
                await made.trial(*names, compute=client)
            assert await made.clean_up() == ()
            assert made.resources() == before, whole.sent[at - 1]


@pytest.mark.parametrize(
    ("at", "ended", "facts"),
    [
        ("  T1:", "it was interrupted", 1),
        ("Removing everything.", "", 2),
    ],
)
async def test_an_interrupt_at_any_time_ends_the_experiments_and_never_the_removal(
    at: str, ended: str, facts: int
) -> None:
    async with world() as made:
        before = made.resources()
        trial = await made.trial(*API_ONLY, heard=lambda run, text: run.interrupt() if text.startswith(at) else None)
        assert made.resources() == before
    assert (trial.ended, trial.left) == (ended, ())
    assert len(trial.facts) >= facts


async def test_cleanup_leaves_a_network_that_is_only_named_like_one_of_a_trial() -> None:
    async with world() as made:
        made.compute.place("networks", "global", {"name": OWNER.network, "autoCreateSubnetworks": False})
        before = made.resources()
        assert await made.clean_up() == ()
        assert made.resources() == before


async def test_cleanup_leaves_foreign_resources_in_a_network_of_a_trial_and_names_what_stays() -> None:
    async with world() as made:
        network = {"name": OWNER.network, "autoCreateSubnetworks": False, "description": OWNER.description}
        made.compute.place("networks", "global", network)
        link = f"projects/proj-1/global/networks/{OWNER.network}"
        made.compute.place(
            "subnetworks", f"regions/{REGION}", {"name": "mine", "network": link, "ipCidrRange": "10.1.0.0/24"}
        )
        (left,) = await made.clean_up()
        assert left.startswith(f"global/networks/{OWNER.network}: ")
        assert "mine" in left
        assert f"regions/{REGION}/subnetworks/mine" in made.resources()


async def test_the_client_refuses_to_change_what_the_trial_does_not_own() -> None:
    async with world() as made:
        before, client = made.resources(), made.client()
        foreign = f"regions/{REGION}/subnetworks/prod-nodes"
        other = Owner("ffffffff")
        with pytest.raises(ForeignResource):
            await client.patch(foreign, {"stackType": "IPV4_IPV6"})
        with pytest.raises(ForeignResource):
            await client.delete(f"global/networks/{other.network}")
        with pytest.raises(ForeignResource):
            await client.post(
                f"regions/{REGION}/subnetworks",
                {"name": OWNER.name("x"), "network": "projects/proj-1/global/networks/prod"},
            )
        with pytest.raises(ForeignResource):
            await client.post("global/networks", {"name": "other"})
        await client.close()
        assert made.resources() == before


async def test_a_missing_permission_ends_the_trial_before_any_experiment() -> None:
    faults = parse_faults({"faults": [{"deny": "compute.instances.updateNetworkInterface"}]})
    async with world(faults=faults) as made:
        before = made.resources()
        with pytest.raises(TrialFailed, match=r"compute\.instances\.updateNetworkInterface"):
            await made.trial(*API_ONLY)
        assert made.resources() == before

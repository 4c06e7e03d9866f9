"""The commands of the control endpoint: state, seed, clock and request journal."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from dualstack.model.errors import InvalidInput
from dualstack_sim.rules import RULES
from dualstack_sim.steppable_clock import SteppableClock
from dualstack_sim.world.compute_serve import ComputeOptions, start, write_state
from tests.sim.control.served import NETWORKS, Served


async def test_dump_and_load_give_the_same_digest(served: Served) -> None:
    await served.network("one")
    taken = await served.good("GET", "/dump")
    await served.network("two")
    assert (await served.good("GET", "/dump"))["digest"] != taken["digest"]
    assert await served.good("POST", "/load", taken) == {"digest": taken["digest"]}
    assert await served.good("POST", "/load", taken["state"]) == {"digest": taken["digest"]}
    assert (await served.compute("GET", f"{NETWORKS}/one"))[0] == 200
    assert (await served.compute("GET", f"{NETWORKS}/two"))[0] == 404


async def test_a_dump_while_operations_run_is_refused(served: Served) -> None:
    await served.compute("POST", NETWORKS, {"name": "one", "autoCreateSubnetworks": False})
    status, answer = await served.control("GET", "/dump")
    assert (status, answer["message"][:26]) == (409, "1 operations are running; ")


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"state": 7}'])
async def test_an_invalid_state_is_refused(served: Served, body: bytes) -> None:
    status, answer = await served.control("POST", "/load", body)
    assert status == 400
    assert answer["message"]


async def test_a_reset_loads_the_state_of_the_start(served: Served) -> None:
    before = (await served.good("GET", "/dump"))["digest"]
    await served.network("one")
    assert (await served.good("POST", "/reset"))["digest"] == before
    assert (await served.good("GET", "/requests"))["total"] == 0
    assert (await served.compute("GET", NETWORKS))[1].get("items") is None


async def test_a_reset_drops_running_operations(served: Served) -> None:
    await served.compute("POST", NETWORKS, {"name": "one", "autoCreateSubnetworks": False})
    await served.good("POST", "/reset")
    await served.good("POST", "/clock", {"step": 3600})
    assert (await served.compute("GET", NETWORKS))[1].get("items") is None


async def test_the_same_seed_gives_the_same_names(served: Served) -> None:
    async def operation(seed: int) -> str:
        await served.good("POST", "/seed", {"seed": seed})
        _, answer = await served.compute("POST", NETWORKS, {"name": "one", "autoCreateSubnetworks": False})
        await served.good("POST", "/reset")
        return str(answer["name"])

    first, second, again = [await operation(seed) for seed in (1, 2, 1)]
    assert first == again != second


@pytest.mark.parametrize("seed", ["x", 1.5, None, True])
async def test_a_seed_is_a_whole_number(served: Served, seed: Any) -> None:
    status, answer = await served.control("POST", "/seed", {"seed": seed})
    assert (status, answer["message"][:5]) == (400, "seed:")


async def test_the_clock_can_be_stepped(served: Served) -> None:
    _, operation = await served.compute("POST", NETWORKS, {"name": "one", "autoCreateSubnetworks": False})
    path = f"/compute/v1/projects/proj-1/global/operations/{operation['name']}"
    assert (await served.compute("GET", path))[1]["status"] == "PENDING"
    before = await served.good("GET", "/clock")
    after = await served.good("POST", "/clock", {"step": 600})
    assert after["now"] == pytest.approx(before["now"] + 600)
    assert (await served.compute("GET", path))[1]["status"] == "DONE"


async def test_the_speed_can_be_changed(served: Served) -> None:
    assert (await served.good("POST", "/clock", {"speed": 5}))["speed"] == 5.0
    first, second = [await served.good("GET", "/clock") for _ in range(2)]
    assert second["now"] > first["now"]


@pytest.mark.parametrize(
    "body", [{}, {"speed": -1}, {"step": -1}, {"speed": "fast"}, {"speed": True}, {"pace": 2}, {"speed": 1e400}]
)
async def test_an_invalid_speed_or_step_is_refused(served: Served, body: Any) -> None:
    data = msgspec.json.encode(body).replace(b"null", b"1e400")
    status, answer = await served.control("POST", "/clock", data)
    assert status == 400
    assert answer["message"]


async def test_the_clock_is_fixed_once_a_rehearsal_is_triggered(served: Served) -> None:
    await served.good("POST", "/trigger")
    status, answer = await served.control("POST", "/clock", {"speed": 2})
    assert (status, "a rehearsal is running" in answer["message"]) == (409, True)


async def test_the_clock_is_fixed_once_the_operator_has_called(served: Served) -> None:
    await served.compute("GET", NETWORKS, agent="dualstack/0.1.0")
    status, answer = await served.control("POST", "/clock", {"speed": 2})
    assert (status, "the operator of dualstack" in answer["message"]) == (409, True)


async def test_requests_are_listed(served: Served) -> None:
    await served.network("one")
    await served.compute("GET", f"{NETWORKS}/ghost", agent="other/2")
    answer = await served.good("GET", "/requests")
    assert answer["total"] == 2
    assert [(entry["method"], entry["target"], entry["status"]) for entry in answer["requests"]] == [
        ("networks.insert", "one", 200),
        ("networks.get", "ghost", 404),
    ]
    assert {"at", "caller", "scope"} <= set(answer["requests"][0])
    of_other = await served.good("GET", "/requests?caller=other/")
    assert [entry["method"] for entry in of_other["requests"]] == ["networks.get"]
    inserts = await served.good("GET", "/requests?method=networks.insert&limit=1")
    assert [entry["target"] for entry in inserts["requests"]] == ["one"]
    assert (await served.control("GET", "/requests?limit=-1"))[0] == 400


async def test_the_rules_are_listed(served: Served) -> None:
    assert [rule["id"] for rule in await served.good("GET", "/rules")] == list(RULES)


class TestStateFile:
    async def test_a_saved_state_is_loaded(self, tmp_path: Path) -> None:
        path = tmp_path / "state.json"
        for round_ in range(2):
            async with AsyncExitStack() as stack:
                session = await stack.enter_async_context(aiohttp.ClientSession())
                options = ComputeOptions(SteppableClock(time.time(), 0.0), state=path)
                compute, facts = await start(options, stack)
                served = Served(facts, session)
                if round_ == 0:
                    await served.network("one")
                    write_state(path, compute, 0.0)
                else:
                    status, network = await served.compute("GET", f"{NETWORKS}/one")
                    assert (status, network["selfLink"].startswith(facts["computeEndpoint"])) == (200, True)
                    saved = msgspec.json.decode(path.read_bytes())
                    assert (await served.good("GET", "/dump"))["digest"] == saved["digest"]
        assert _names(tmp_path) == ["state.json"]

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": "dualstack.compute/v1", "project": "other"}'])
    async def test_an_invalid_file_is_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "state.json"
        path.write_text(text)
        async with AsyncExitStack() as stack:
            with pytest.raises(InvalidInput, match=r"state\.json"):
                await start(ComputeOptions(SteppableClock(time.time()), state=path), stack)
        assert path.read_text() == text

    async def test_a_port_in_use_is_reported(self) -> None:
        async with AsyncExitStack() as stack:
            _, facts = await start(ComputeOptions(SteppableClock(time.time())), stack)
            port = int(facts["computeEndpoint"].rpartition(":")[2])
            with pytest.raises(InvalidInput, match=f"--port {port}"):
                await start(ComputeOptions(SteppableClock(time.time()), port=port), stack)


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


async def test_a_packet_from_the_internet_can_be_probed(served: Served) -> None:
    verdict = await served.good("GET", "/probe?from=2620:0:1000::1&to=2600:1900:4010:1::2")
    assert (verdict["delivered_to"], verdict["reason"]) == (None, "NO_ROUTE")


async def test_the_advertisements_of_routers_are_listed(served: Served) -> None:
    await served.network("vpc")
    region = "/compute/v1/projects/proj-1/regions/europe-west1"
    body: dict[str, Any] = {"name": "router", "network": "global/networks/vpc", "bgp": {"asn": 64512}}
    assert (await served.compute("POST", f"{region}/routers", body))[0] == 200
    await served.good("POST", "/finish")
    assert await served.good("GET", "/advertisements") == []
    ranges = [{"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}]
    body = {"name": "nodes", "network": "global/networks/vpc", "ipCidrRange": "10.250.0.0/16"}
    assert (await served.compute("POST", f"{region}/subnetworks", body | {"secondaryIpRanges": ranges}))[0] == 200
    await served.good("POST", "/finish")
    events = await served.good("GET", "/advertisements")
    assert [(event["router"], event["cidr"], event["advertised"]) for event in events] == [
        ("router", "10.250.0.0/16", True),
        ("router", "100.96.0.0/11", True),
    ]

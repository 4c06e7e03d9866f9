"""`--garden-kubeconfig` and `--seed-kubeconfig` with exactly the rights of docs/live-clusters.md, enforced by RBAC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.crash.proxy import open_proxy
from tests.sim.live.doors import doors
from tests.sim.live.rights import Record, Right, beyond, listed_rights, new_user
from tests.sim.rehearsal.command import EXAMPLE, served
from tests.sim.world.client import PROBED, Client

pytestmark = pytest.mark.slow

HEADING = "### In the garden and the seed"
GARDEN = listed_rights(frozenset(("--garden-kubeconfig",)), HEADING)
SEED = listed_rights(frozenset(("--seed-kubeconfig",)), HEADING)
TRIGGER = listed_rights(frozenset(("--trigger",)), HEADING)
SHOOTS = "shoots.core.gardener.cloud"
GET, LIST = ((SHOOTS, "garden-foo", verb) for verb in ("get", "list"))
TRIGGERED = ("prepare", "--yes", "--trigger", *PROBED)


@pytest.fixture(scope="module")
def world() -> Iterator[dict[str, Any]]:
    with served(str(EXAMPLE), "--landscape", "gardener", "--speed", "200", "--rbac") as facts:
        yield facts


@dataclass
class Access:
    """A kubeconfig of a user with these rights alone, whose requests a proxy records."""

    file: Path
    rights: frozenset[Right]
    record: Record
    refused: list[str]

    def exact(self) -> bool:
        """Whether nothing was refused, nothing else was used, and no right was left unused."""
        used = self.record.used
        return not (self.refused or beyond(used, self.rights) or self.rights - used)


@asynccontextmanager
async def access(facts: dict[str, Any], name: str, rights: Iterable[Right], folder: Path) -> AsyncIterator[Access]:
    """To the API server `name`: `garden` or `seed`."""
    found = Access(folder / f"{name}-kubeconfig", frozenset(rights), Record(), [])
    administrator = {key: facts[key] for key in ("computeEndpoint", "controlEndpoint", "project")}
    administrator["kubeconfig"] = facts[f"{name}Kubeconfig"]
    token = await asyncio.to_thread(new_user, Client(administrator), found.rights)
    kubeconfig = await asyncio.to_thread(Path(administrator["kubeconfig"]).read_text, encoding="utf-8")

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        found.record.answer(request, b"")
        response = await handler(request)
        if response.status == 403:
            found.refused.append(f"{request.method} {request.path}")
        return response

    async with AsyncExitStack() as stack:
        config = yaml.safe_load(kubeconfig)
        cluster = config["clusters"][0]["cluster"]
        config["users"][0]["user"] = {"token": token}
        cluster["server"] = await open_proxy(
            cluster["server"], lambda application: application.middlewares.append(watch), stack
        )
        found.file.write_text(yaml.safe_dump(config), encoding="utf-8")
        yield found


async def test_garden_and_seed_are_read_with_exactly_the_listed_rights(world: dict[str, Any], tmp_path: Path) -> None:
    """`list` is for a Shoot that does not follow from the cluster: here for the names that an error shows."""
    async with (
        doors(world, tmp_path) as door,
        access(world, "garden", GARDEN, tmp_path) as garden,
        access(world, "seed", SEED, tmp_path) as seed,
    ):
        options = (f"--garden-kubeconfig={garden.file}", f"--seed-kubeconfig={seed.file}", *PROBED)
        outcome = await door.run("plan", *options)
        assert outcome.status == 0, outcome.err
        assert (seed.exact(), garden.refused, garden.record.used) == (True, [], {GET})
        unknown = await door.run("plan", *options, "--shoot=garden-foo/other")
        assert (unknown.status, door.writes) == (2, [])
        assert "(it shows garden-foo/bar)" in unknown.err
        assert {GET, LIST} <= garden.record.used


@pytest.mark.parametrize("missing", sorted({GET} | SEED))
async def test_a_missing_right_is_named_before_anything_is_changed(
    missing: Right, world: dict[str, Any], tmp_path: Path
) -> None:
    name = "garden" if missing in GARDEN else "seed"
    async with (
        doors(world, tmp_path) as door,
        access(world, name, (GARDEN if name == "garden" else SEED) - {missing}, tmp_path) as given,
    ):
        outcome = await door.run("prepare", "--yes", f"--{name}-kubeconfig={given.file}", *PROBED)
        assert (outcome.status, door.writes) == (1, [])
        assert refusal_of(outcome.err, missing, name)


def refusal_of(text: str, missing: Right, name: str) -> bool:
    """Whether the error names the option, the right and where the rights are listed."""
    resource, _, group = missing[0].partition(".")
    words = f'cannot {missing[2]} resource "{resource}" in API group "{group}"'
    return f"--{name}-kubeconfig: " in text and words in text and "docs/live-clusters.md#rights lists" in text


async def test_the_trigger_needs_patch_and_tries_it_first(world: dict[str, Any], tmp_path: Path) -> None:
    async with doors(world, tmp_path) as door:
        async with access(world, "garden", GARDEN, tmp_path) as garden:
            outcome = await door.run(*TRIGGERED, f"--garden-kubeconfig={garden.file}")
            assert (outcome.status, door.writes) == (2, [])
            assert 'cannot patch resource "shoots" in API group "core.gardener.cloud"' in outcome.err
        async with access(world, "garden", {GET} | TRIGGER, tmp_path) as garden:
            outcome = await door.run(*TRIGGERED, f"--garden-kubeconfig={garden.file}")
            assert outcome.status == 0, outcome.err
            assert "spec.networking.ipFamilies is now IPv4, IPv6" in outcome.err
            assert garden.exact()

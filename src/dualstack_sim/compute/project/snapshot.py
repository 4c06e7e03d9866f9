"""Saves the whole state of a project as one JSON document, and loads it.

A state can be saved only while no operation runs. Links are written with Google's own endpoint, so a state can be
loaded at any address.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from dualstack_sim.compute.api.errors import ApiError, Json
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.network.addresses import AddressPool
from dualstack_sim.compute.network.ipv6_prefixes import Ipv6Prefixes
from dualstack_sim.compute.project.project import Project
from dualstack_sim.compute.project.state_validation import check_state

SCHEMA = "dualstack.compute/v1"
_NEUTRAL = b"https://www.googleapis.com/compute/v1"


def dump(project: Project) -> Json:
    """The state. Raises ApiError 409 while operations run."""
    running = project.operations.running()
    if running:
        raise ApiError(409, "operationsRunning", f"{running} operations are running; save the state when all are DONE")
    state = {
        "schema": SCHEMA,
        "project": project.name,
        "number": project.number,
        "regions": {region: list(zones) for region, zones in project.regions.items()},
        "inventory": project.inventory.dump(),
        "operations": project.operations.dump(),
        "addresses": {key.text(): pool.dump() for key, pool in project.pools.items() if not pool.is_untouched()},
        "prefixes": project.prefixes.dump(),
    }
    neutral: Json = msgspec.json.decode(msgspec.json.encode(state).replace(_endpoint(project), _NEUTRAL))
    return neutral


def read(project: Project, state: Any) -> Json:
    """The checked state with the links of this project. Raises ApiError 400 for an invalid state or another project."""
    if not isinstance(state, dict) or state.get("schema") != SCHEMA:
        raise _bad_state(f"its schema is not {SCHEMA}")
    if state.get("project") != project.name:
        raise _bad_state(f"its project is {state.get('project')!r}, not {project.name!r}")
    local: Json = msgspec.json.decode(msgspec.json.encode(state).replace(_NEUTRAL, _endpoint(project)))
    try:
        check_state(project.links, local)
    except ValueError as error:
        raise _bad_state(str(error)) from None
    return local


def load(project: Project, at: float, state: Json) -> None:
    """Replace the state of the project by one that `read` returned, from `at` on."""
    project.regions = {region: tuple(zones) for region, zones in state["regions"].items()}
    project.number = project.links.number = state["number"]
    project.prefixes.load(state["prefixes"])
    project.operations.load(state["operations"])
    project.pools.clear()
    project.pools.update({Key.parse(text): AddressPool.load(pool) for text, pool in state["addresses"].items()})
    project.pending_subnetworks.clear()
    project.pending_aliases.clear()
    project.inventory.load(at, state["inventory"])
    _resume_prefixes(project, at)


def digest(state: Json) -> str:
    """A digest of a state, the same for equal states."""
    return hashlib.sha256(msgspec.json.encode(state, order="sorted")).hexdigest()


def _resume_prefixes(project: Project, at: float) -> None:
    """Schedule the prefixes of subnetworks that became dual-stack just before the state was saved."""
    prefixes = Ipv6Prefixes(project)
    for key, subnetwork in list(project.inventory.all("subnetworks")):
        if subnetwork["stackType"] == "IPV4_IPV6" and "ipv6CidrRange" not in subnetwork:
            prefixes.resume_assignment(at, key)


def _endpoint(project: Project) -> bytes:
    return project.links.endpoint.encode()


def _bad_state(why: str) -> ApiError:
    return ApiError(400, "badState", f"The state cannot be loaded: {why}")

"""What led to each node during a rehearsal: from resources to ways, and from samples to a history."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.cli.html.page import Tracks
from dualstack.cli.html.parts import history_section
from dualstack.cli.node_history import MOST_NODES, History, NodeHistory, NodeWay, WayChange
from dualstack.cli.rehearsal.node_samples import ways

RANGE = "ipv4-pod-cidr"


def vm(name: str, *, alias: str = "", stack_type: str = "IPV4_ONLY") -> dict[str, Any]:
    ranges = [{"ipCidrRange": "10.96.0.0/24", "subnetworkRangeName": alias}] if alias else []
    return {"name": name, "networkInterfaces": [{"name": "nic0", "stackType": stack_type, "aliasIpRanges": ranges}]}


def route(name: str, description: str = "k8s-node-route") -> dict[str, Any]:
    return {"description": description, "nextHopInstance": f"projects/p/zones/z/instances/{name}"}


@pytest.mark.parametrize(
    ("instance", "routes", "way"),
    [
        (vm("a"), [route("a")], "route"),
        (vm("a"), [route("b")], "none"),
        (vm("a"), [route("a", "mine")], "none"),
        (vm("a", alias=RANGE), [route("a")], "overlap"),
        (vm("a", alias=RANGE), [], "alias"),
        (vm("a", alias="other"), [], "none"),
        (vm("a", alias=RANGE, stack_type="IPV4_IPV6"), [], "dual"),
        (vm("a", alias=RANGE, stack_type="IPV4_IPV6"), [route("a")], "overlap"),
        (vm("a"), [{"description": "k8s-node-route", "nextHopIp": "10.0.0.1"}], "none"),
    ],
)
def test_what_leads_to_a_node(instance: dict[str, Any], routes: list[dict[str, Any]], way: NodeWay) -> None:
    assert ways(routes, [instance], RANGE) == {"a": way}


def test_a_history_has_each_change_once() -> None:
    history = History()
    samples: list[dict[str, NodeWay]] = [{"a": "route"}, {"a": "route"}, {"a": "overlap"}, {"b": "dual"}, {"b": "dual"}]
    for at, now in enumerate(samples):
        history.see(now, float(at))
    assert history.nodes() == (
        NodeHistory("a", (WayChange(0.0, "route"), WayChange(2.0, "overlap"), WayChange(3.0, "gone"))),
        NodeHistory("b", (WayChange(3.0, "dual"),)),
    )


def test_a_large_cluster_has_none() -> None:
    at_limit, above = History(), History()
    at_limit.see({f"n{number}": "route" for number in range(MOST_NODES)}, 0.0)
    at_limit.see({f"m{number}": "dual" for number in range(MOST_NODES)}, 1.0)
    above.see({f"n{number}": "route" for number in range(MOST_NODES + 1)}, 0.0)
    assert len(at_limit.nodes()) == 2 * MOST_NODES
    assert above.nodes() == ()


def test_the_tracks_of_a_report_add_up() -> None:
    nodes = [
        NodeHistory("a", (WayChange(0.0, "route"), WayChange(25.0, "overlap"), WayChange(50.0, "gone"))),
        NodeHistory("b", (WayChange(50.0, "none"), WayChange(60.0, "dual"))),
    ]
    (tracks,) = history_section(nodes, 100.0).parts
    assert isinstance(tracks, Tracks)
    assert [track.segments for track in tracks.tracks] == [
        [("route", 0.0, 25.0), ("overlap", 25.0, 25.0)],
        [("none", 50.0, 10.0), ("dual", 60.0, 40.0)],
    ]
    assert [track.words for track in tracks.tracks] == [
        "route, overlap from 25 s, gone from 50 s",
        "none from 50 s, dual from 1 min 00 s",
    ]
    assert [state for state, _ in tracks.legend] == ["route", "overlap", "dual", "none"]


def test_a_document_without_a_history_has_no_section() -> None:
    assert history_section([], 100.0).empty

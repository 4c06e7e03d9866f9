"""What the agent of a trial is sent and reports, and how it counts packets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.trial.agent import protocol, startup
from dualstack.trial.agent.protocol import Flow, Orders, parse_serial, startup_script

ORDERS = Orders(
    sequence=3,
    until=2_000_000_000.0,
    addresses=("10.96.1.7/32",),
    flows=(Flow(id="a>b/udp", kind="udp", source="10.96.1.7", target="10.96.2.7", port=7946),),
    echo=(7946,),
    facts=("local-routes",),
)


def line(sequence: int = 1, flows: Mapping[str, object] | None = None) -> str:
    orders = startup.read_orders(json.dumps({"sequence": sequence}))
    return startup.report_line("vm-a", 1000.5, orders, dict(flows or {}), {"local-routes": None}, ["port 1: taken"])


def test_the_agent_reads_the_orders_that_are_written_for_it() -> None:
    read = startup.read_orders(ORDERS.text())
    assert read["flows"] == [
        {"id": "a>b/udp", "kind": "udp", "source": "10.96.1.7", "target": "10.96.2.7", "port": 7946, "interval": 0.1}
    ]
    assert (read["sequence"], read["until"], read["echo"]) == (3, 2_000_000_000.0, [7946])
    assert read["facts"] == ["local-routes"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"flows": [{"id": "a"}]}', '{"flows": [{"id":"a","kind":"icmp","target":"b","port":1}]}']
)
def test_other_orders_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        startup.read_orders(text)


def test_both_sides_agree_on_names_and_version() -> None:
    script = startup_script()
    assert script.startswith("#!/usr/bin/python3\n# " + protocol.MARK + "\n")
    assert (protocol.ORDERS, protocol.PREFIX, protocol.MARK) == (startup.ORDERS, startup.PREFIX, startup.MARK)
    assert set(get_args(protocol.Fact)) == set(startup.READERS)


def test_a_report_is_read_as_it_was_written() -> None:
    flows = {"a>b/udp": {"from": 1000.1, "sent": [1, 1], "answered": [1, 0], "connections": 0}}
    (report,) = parse_serial("login: \r\n" + line(7, flows).replace("\n", "\r\n")).reports
    assert (report.sequence, report.vm, report.time, report.window) == (7, "vm-a", 1000.5, 0.1)
    assert (report.flows["a>b/udp"].begin, report.flows["a>b/udp"].answered) == (1000.1, (1, 0))
    assert report.facts == {"local-routes": None}
    assert report.errors == ("port 1: taken",)


def test_a_line_that_was_cut_is_named_and_not_counted() -> None:
    cut = line(1)
    found = parse_serial(cut[:40] + "\n" + line(2))
    assert [report.sequence for report in found.reports] == [2]
    assert found.unreadable == (cut[:40],)


@given(st.lists(st.integers(0, 400), max_size=6))
def test_parts_of_the_output_give_the_reports_of_the_whole(cuts: list[int]) -> None:
    text = "boot\n" + line(1) + line(2) + "noise\n" + line(3)
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    reports: list[protocol.Report] = []
    rest = ""
    for begin, end in pairwise(places):
        part = parse_serial(rest + text[begin:end])
        reports += part.reports
        rest = part.rest
    assert [report.sequence for report in reports] == [1, 2, 3]
    assert rest == ""


def test_packets_count_in_the_window_of_their_sending() -> None:
    windows = startup.Windows()
    for number, at in enumerate((100.0, 100.1, 100.2, 100.3)):
        windows.send(number, at)
    windows.answer(1)
    windows.answer(1)
    assert windows.take(100.2) == {"from": 100.0, "sent": [1, 1], "answered": [0, 1]}
    windows.answer(0)
    windows.answer(3)
    assert windows.take(100.2) is None
    assert windows.take(100.6) == {"from": 100.2, "sent": [1, 1, 0, 0], "answered": [0, 1, 0, 0]}


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=40).map(sorted), st.lists(st.floats(0.0, 4.0)).map(sorted))
def test_windows_follow_each_other_without_gap_and_lose_no_packet(sent: list[float], taken: list[float]) -> None:
    windows, parts, number = startup.Windows(), [], 0
    for until in [*taken, 10.0]:
        while number < len(sent) and sent[number] < until + startup.GRACE:
            windows.send(number, 1e9 + sent[number])
            number += 1
        part = windows.take(1e9 + until)
        parts += [part] if part else []
    assert sum(sum(part["sent"]) for part in parts) == len(sent)
    for part, following in pairwise(parts):
        assert round(part["from"] + len(part["sent"]) * startup.WINDOW, 3) == following["from"]

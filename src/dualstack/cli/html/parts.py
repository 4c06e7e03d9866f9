"""Parts that several documents share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dualstack.cli.html.page import Bar, Block, Cell, Section, Strip, Table, Timeline, Tone, Track, Tracks
from dualstack.cli.live.result import ClusterName
from dualstack.cli.node_history import NodeHistory
from dualstack.cli.words import duration
from dualstack.live.state import NodeState
from dualstack.plan.costs import REQUESTS_PER_MINUTE
from dualstack.verify.judging import Check, CheckStatus

CHECK_TONES: Mapping[CheckStatus, Tone] = {
    "passed": "good",
    "failed": "bad",
    "accepted": "warning",
    "risk": "warning",
    "unknown": "warning",
    "not-applicable": "neutral",
}
STATES: Mapping[str, str] = {
    "route": "a static route leads to the pods of the node",
    "overlap": "a route and an alias range lead to the same VM",
    "alias": "an alias range leads to the pods of the node",
    "dual": "an alias range, and an IPv6 range of its own",
    "none": "nothing leads to the pods of the node",
}
SHORTEST = 0.5
"""The length in percent of a bar that would be too short to be seen."""

_PATHS = {"route": "route", "route and alias": "overlap", "alias": "alias", "none": "none", "no pod CIDR": "none"}


def cluster_facts(cluster: ClusterName) -> list[tuple[str, str]]:
    """What identifies a live cluster."""
    return [
        ("Cluster", f"{cluster.name} ({cluster.platform}: {cluster.evidence})"),
        ("Project", f"{cluster.project}, {cluster.region}, subnet {cluster.nodes_subnet}"),
        ("Pods", cluster.pods),
    ]


def checks_section(checks: Iterable[Check]) -> Section:
    """One row for each check, the ones that did not pass first."""
    order = ("failed", "unknown", "risk", "accepted", "passed", "not-applicable")
    found = sorted(checks, key=lambda check: order.index(check.status))
    rows = [(check.id, Cell(check.status, CHECK_TONES[check.status]), check.evidence) for check in found]
    return Section("Checks", [Table("What was verified", ("Check", "Result", "Evidence"), rows)] if rows else [])


def strip_section(nodes: Sequence[NodeState]) -> Section:
    """One block for each node."""
    blocks = [Block(node.name, "dual" if node.dual_stack else _PATHS[node.path]) for node in nodes]
    legend = _legend(block.state for block in blocks)
    strip = Strip(f"What leads to the pods of each of the {len(blocks)} nodes", blocks, legend)
    wrong = [f"{node.name}: {node.problem or node.waits_for}" for node in nodes if node.problem or node.waits_for]
    return Section("Nodes", [strip] if blocks else [], items=wrong)


def history_section(nodes: Sequence[NodeHistory], end: float) -> Section:
    """One track for each node: its states in their order."""
    tracks = [Track(node.node, _segments(node, end), _words(node)) for node in nodes]
    legend = _legend(change.way for node in nodes for change in node.changes)
    caption = f"What led to the pods of {len(tracks)} nodes, as sampled"
    return Section("Nodes", [Tracks(caption, duration(end), tracks, legend)] if tracks else [])


def _segments(node: NodeHistory, end: float) -> list[tuple[str, float, float]]:
    """What is not gone, as state, start and length in percent of `end`."""
    marks = [*(min(max(0.0, change.at), end) for change in node.changes), end]
    spans = zip(node.changes, marks, marks[1:], strict=False)
    return [
        (change.way, 100 * start / end, 100 * (stop - start) / end)
        for change, start, stop in spans
        if change.way != "gone" and stop > start
    ]


def _words(node: NodeHistory) -> str:
    first, *later = node.changes
    words = [f"{first.way}" if first.at < 1 else f"{first.way} from {duration(first.at)}"]
    return ", ".join([*words, *(f"{change.way} from {duration(change.at)}" for change in later)])


def _legend(states: Iterable[str]) -> list[tuple[str, str]]:
    seen = set(states)
    return [(state, meaning) for state, meaning in STATES.items() if state in seen]


def timeline(caption: str, spans: Sequence[tuple[str, float, float]]) -> Timeline:
    """Bars for (name, start, length) in seconds."""
    end = max((start + length for _, start, length in spans), default=0.0) or 1.0
    bars = []
    for name, start, length in spans:
        share = max(SHORTEST, 100 * length / end)
        begins = min(100 * max(0.0, start) / end, 100 - share)
        bars.append(Bar(name, f"{duration(length)} from {duration(start)}", begins, share))
    return Timeline(caption, duration(end), bars)


def calls_section(by_method: Mapping[str, int], peaks: Mapping[str, int]) -> Section:
    """Calls of Compute Engine by method, and the fullest quota window of each group of methods."""
    rows = [
        (method, str(count), f"{count / REQUESTS_PER_MINUTE:.1%}")
        for method, count in sorted(by_method.items(), key=lambda entry: -entry[1])
    ]
    words = f"The default quota allows {REQUESTS_PER_MINUTE} requests a minute for each group of methods."
    if rows:
        words += " The share of a method is what all its calls would use of one minute, if they came at once."
    full = [(group, Cell(str(most), _tone(most)), f"{most / REQUESTS_PER_MINUTE:.1%}") for group, most in peaks.items()]
    tables = [
        *([Table("The fullest minute", ("Quota group", "Requests", "Share of the quota"), full)] if full else []),
        *([Table("Calls by method", ("Method", "Calls", "Share of a quota window"), rows)] if rows else []),
    ]
    return Section("Compute Engine", tables, [words] if tables else [])


def _tone(requests: int) -> Tone:
    return "bad" if requests >= REQUESTS_PER_MINUTE else "warning" if 2 * requests > REQUESTS_PER_MINUTE else "good"

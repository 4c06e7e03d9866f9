"""`dualstack verify` for a live cluster."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import msgspec

from dualstack.cli.live.change import Change, Progress
from dualstack.cli.live.connect import Connected, connected
from dualstack.cli.live.finish import controller_of
from dualstack.cli.live.junit import Case, junit
from dualstack.cli.live.measured import traffic_checks
from dualstack.cli.live.options import ChangeOptions
from dualstack.cli.live.result import ClusterName, print_result
from dualstack.cli.words import wrapped
from dualstack.live.checks import cut_over_checks, expected_state
from dualstack.live.state import NodeState, Standing, node_states, standing
from dualstack.live.work_report import working
from dualstack.model.names import KUBE_SYSTEM
from dualstack.streams import print_out
from dualstack.traffic.coordinator import Traffic
from dualstack.verify.checks import taint_of
from dualstack.verify.expectations import EXPECTED, Expected, rules_for
from dualstack.verify.facts import Facts, Sources, Taint
from dualstack.verify.judging import Check, CheckStatus, judge

Result = Literal["passed", "failed", "unknown", "risk"]

MARKS: dict[CheckStatus, str] = {
    "passed": "ok",
    "failed": "FAILED",
    "accepted": "ok",
    "risk": "RISK",
    "unknown": "UNKNOWN",
    "not-applicable": "-",
}
EXIT_STATUS: dict[Result, int] = {"passed": 0, "failed": 10, "unknown": 11, "risk": 12}
"""From `failed` on, from the worst to the least."""
PROBLEM_TAINTS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""How the keys of the taints begin that Kubernetes sets on a Node that is not fit; others are the owner's."""


class Verification(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of `dualstack verify`. result: the worst of the checks. expected: the state they are for."""

    schema: str
    cluster: ClusterName
    result: Result
    standing: Standing
    expected: Expected
    checks: tuple[Check, ...]
    nodes: tuple[NodeState, ...]

    @property
    def exit_status(self) -> int:
        """By the worst check."""
        return EXIT_STATUS[self.result]

    def describe(self) -> str:
        """As text."""
        counts = Counter(check.status for check in self.checks)
        total = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        lines = [
            self.cluster.describe(),
            f"  {'expected state':<16}{self.expected} (stage of the cut-over: {self.standing})",
            *(line for check in self.checks for line in _lines(check)),
            *wrapped(f"{self.cluster.name}: {self.result}; {total}", further="  "),
        ]
        return "\n".join(lines)

    def junit(self) -> str:
        """As a JUnit test suite: `failure` for a failed check, `error` for an unknown one."""
        return junit(f"dualstack verify {self.cluster.name}: {self.expected}", map(_case, self.checks))


def run_verify(options: ChangeOptions, expect: str | None, seconds: float) -> int:
    """Verify, print the result and return the exit status. seconds: of the measured traffic."""
    found = asyncio.run(_verify(options, expect, seconds))
    if options.output == "junit":
        print_out(found.junit())
    else:
        print_result(found, found.describe(), options.output)
    return found.exit_status


async def _verify(options: ChangeOptions, expect: str | None, seconds: float) -> Verification:
    async with connected(options.target) as cluster:
        wanted = next((each for each in EXPECTED if each == expect), None)
        progress = Progress(cluster.clock.now(), options.quiet)
        progress.say("Reading the cluster and its project.")
        found = await read_verification(cluster, wanted)
        if options.traffic is None:
            return found
        progress.say(f"Measuring traffic for {seconds:.0f} s.")
        async with Traffic(cluster.kube, cluster.clock, options.traffic) as traffic:
            await cluster.clock.sleep(seconds)
            await traffic.loss()
            report = await traffic.report()
        checks = (*found.checks, *traffic_checks(report))
        return msgspec.structs.replace(found, checks=checks, result=worst(checks))


async def read_verification(cluster: Connected, expect: Expected | None) -> Verification:
    """Read everything once and judge it. Traffic is not measured here: its checks are added to these."""
    change = Change(cluster, Progress(cluster.clock.now(), quiet=True), controller_of(cluster))
    cut_over = await change.cut_over().observe()
    facts = await sources_of(cluster).read()
    facts = replace(facts, taints=owner_taints(facts))
    ipv6 = frozenset(
        node["metadata"]["name"] for node in facts.nodes.value if len(node["spec"].get("podCIDRs") or ()) > 1
    )
    expected = expect or expected_state(cut_over, len(ipv6))
    gardener = cluster.identity.platform == "gardener"
    checks = (
        *cut_over_checks(cut_over, expected, (await working(cluster.kube)).words),
        *judge(facts, rules_for(expected, gardener=gardener), unread="unknown"),
    )
    return Verification(
        schema="dualstack.verify/v1",
        cluster=ClusterName.of(cluster),
        result=worst(checks),
        standing=standing(cut_over),
        expected=expected,
        checks=checks,
        nodes=node_states(cut_over, dual_stack=ipv6),
    )


def sources_of(cluster: Connected) -> Sources:
    """Where the facts are. The control plane of a shoot is in the seed, where a shoot's kubeconfig gives no access."""
    hosted = cluster.identity.platform == "gardener"
    control_plane = None if hosted else cluster.kube
    return Sources(cluster.identity.cluster, cluster.kube, cluster.compute, control_plane, KUBE_SYSTEM)


def owner_taints(facts: Facts) -> frozenset[Taint]:
    """The taints that the owner of the cluster gave to its Nodes."""
    taints = [taint for node in facts.nodes.value for taint in node["spec"].get("taints") or ()]
    return frozenset(taint_of(taint) for taint in taints if not taint["key"].startswith(PROBLEM_TAINTS))


def _lines(check: Check) -> list[str]:
    return wrapped(f"{check.id}: {check.evidence}", f"  {MARKS[check.status]:<8}", " " * 12)


def worst(checks: Iterable[Check]) -> Result:
    """The worst status of the checks, as the result of all."""
    statuses = {check.status for check in checks}
    return next((each for each in EXIT_STATUS if each in statuses and each != "passed"), "passed")


def _case(check: Check) -> Case:
    kinds = {"failed": "failure", "unknown": "error", "not-applicable": "skipped"}
    return Case(check.id.partition(".")[0], check.id, kinds.get(check.status, ""), check.evidence)

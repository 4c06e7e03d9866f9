"""T13: what does a new stack type do to a running VM: aliases, IPv4 traffic, IPv6 address without a reboot?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dualstack.gce.resources import DUAL_STACK, alias_ranges, first_interface, ipv6_prefix
from dualstack.trial.experiment import Answer, Experiment, Lab, Question, undecided
from dualstack.trial.measuring import EVERY, mesh

RUNNING, ALIASES, LOSS, LEASE = "T13", "T13-aliases", "T13-loss", "T13-lease"
TIMEOUT = 120.0
"""Seconds until a VM must have its IPv6 address."""
BODIES: tuple[dict[str, Any], ...] = (
    {
        "stackType": "IPV4_IPV6",
        "ipv6AccessConfigs": [{"name": "external-ipv6", "type": "DIRECT_IPV6", "networkTier": "PREMIUM"}],
    },
    {"stackType": "IPV4_IPV6"},
)
"""As gcloud sends it, and with the stack type alone."""


async def run(lab: Lab) -> Sequence[Answer]:
    """Bring the VMs onto aliases, turn their subnet dual-stack, then the NIC of VM b."""
    if lab.measuring.problem:
        return _all_undecided(lab.measuring.problem)
    if refusal := await lab.ladder.onto_aliases():
        return _all_undecided(f"The VMs could not be brought onto aliases: {refusal}.")
    vm = lab.site.vm("b")
    subnet = await lab.compute.patch_subnet(lab.site.nodes, DUAL_STACK)
    if not subnet.accepted:
        return _all_undecided(f"The subnet could not become dual-stack: {subnet.describe()}.")
    await lab.read(lab.site.nodes, lambda found: ipv6_prefix(found) is not None)
    await lab.clock.sleep(lab.ladder.settle)
    before = alias_ranges(first_interface(await lab.compute.get(vm.path)))
    since = lab.compute.now()
    tried = []
    for body in BODIES:
        outcome = await lab.compute.patch_interface(vm.path, body)
        if outcome.accepted:
            break
        tried.append(f"{' and '.join(body)}: {outcome.describe()}")
    else:
        why = f"On a running VM, {'; '.join(tried)}. That it succeeds on a stopped VM was not tried."
        refused = Answer(RUNNING, "refused", why, "likely", knobs={"interface-stack-type": "stopped"})
        return [refused, *_all_undecided("The stack type of a running VM could not be changed.")[1:]]
    way = f"The request had {' and '.join(body)}{f', after {tried[0]}' if tried else ''}."
    after = await lab.read(vm.path, lambda found: first_interface(found).get("stackType") == "IPV4_IPV6")
    kept = alias_ranges(first_interface(after)) == before
    lease = await _lease(lab, since)
    await lab.clock.sleep(lab.ladder.settle)
    until = lab.compute.now()
    if not await lab.measuring.until(until):  # also what was accepted may have been for a VM that had stopped
        return _all_undecided(lab.measuring.problem)
    flows = lab.measuring.flows(lambda flow: mesh(flow) and "b" in flow.partition("/")[0])
    packets = tuple(lab.measuring.packets(flow, since, until, "stack type of VM b") for flow in flows)
    lost = sum(each.lost for each in packets)
    return [
        Answer(RUNNING, "accepted", way, knobs={"interface-stack-type": "running"}),
        Answer(ALIASES, "kept" if kept else "changed", f"Before {before}; the request names no aliases."),
        Answer(
            LOSS, f"lost {lost} packets" if lost else "no loss", "Packets from and to VM b.", "likely", packets=packets
        ),
        lease,
    ]


def _all_undecided(why: str) -> list[Answer]:
    return [undecided(identity, why) for identity in (RUNNING, ALIASES, LOSS, LEASE)]


async def _lease(lab: Lab, since: float) -> Answer:
    """Whether VM b gets a global IPv6 address without a reboot."""
    while lab.compute.now() < since + TIMEOUT:
        await lab.clock.sleep(EVERY)
        report = lab.measuring.facts("b")
        if report is not None and report.time > since and report.facts.get("addresses6"):
            seconds = report.time - since
            why = f"VM b had a global IPv6 address after {seconds:.0f} s."
            return Answer(LEASE, "without a reboot", why, knobs={"ipv6-lease": "at-once"})
    why = f"VM b had no global IPv6 address after {TIMEOUT:.0f} s."
    return Answer(LEASE, "not without a reboot", why, "likely", knobs={"ipv6-lease": "reboot"})


EXPERIMENT = Experiment(
    "nic-stack-type",
    (
        Question(RUNNING, "May the stack type of a NIC change while its VM runs?", "interface-stack-type"),
        Question(ALIASES, "Does a stackType PATCH on the NIC of a running VM keep its aliases?"),
        Question(LOSS, "Does a stackType PATCH on the NIC of a running VM lose IPv4 packets?"),
        Question(LEASE, "Does the VM get its IPv6 address without a reboot?", "ipv6-lease"),
    ),
    run,
    minutes=2.5,
    place="vms",
    traffic=True,
)

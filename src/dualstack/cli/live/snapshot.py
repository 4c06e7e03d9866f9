"""`dualstack snapshot`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dualstack.cli.live.connect import Connected, connected
from dualstack.cli.live.inspect import inspect, observed
from dualstack.cli.live.options import Target
from dualstack.cli.words import tell
from dualstack.clock import rfc3339
from dualstack.gce.resources import first_interface
from dualstack.kube.interface import NotFound
from dualstack.model.errors import KubeError
from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, POD, SERVICE
from dualstack.snapshot.anonymise import anonymised
from dualstack.snapshot.document import Refusal, Resource, Snapshot, load
from dualstack.snapshot.files import from_files
from dualstack.snapshot.recording import Recorder
from dualstack.streams import print_out, write_result

KINDS = (POD, SERVICE, DAEMON_SET, DEPLOYMENT)
"""The kinds that are listed whole, besides what the reads below need."""


def run_snapshot(target: Target, *, output: Path | None, files: Sequence[Path], anonymise: bool, quiet: bool) -> None:
    """Write the document to the file `output`, or print it."""
    taken = from_files(files) if files else asyncio.run(_take(target))
    if anonymise:
        taken = anonymised(taken)
    if output is None:
        print_out(taken.as_json())
    else:
        write_result(output, f"{taken.as_json()}\n".encode())
    if not quiet:
        objects = sum(map(len, taken.kubernetes.values()))
        failed = {call: each for call, each in taken.refusals.items() if not _absent(call, each)}
        refused = f"; {len(failed)} reads were refused" if failed else ""
        tell(f"{len(taken.compute)} resources and {objects} objects{refused}.")
        for call, refusal in failed.items():
            tell(f"  {call}: {refusal.message}")


def _absent(call: str, refusal: Refusal) -> bool:
    """Whether the cluster does not have the kind that was listed, which is an answer and no refusal."""
    return call.startswith("list ") and refusal.reason == NotFound.__name__


async def _take(target: Target) -> Snapshot:
    recorder = Recorder()
    async with connected(target, recorder) as cluster:
        await _read(cluster)
        return recorder.snapshot(
            cluster.compute.project, taken_at=rfc3339(cluster.clock.now()), version=version("dualstack")
        )


async def _read(cluster: Connected) -> None:
    """Read what the commands read. What is refused is a part of the document."""
    await inspect(cluster, await observed(cluster))
    for kind in KINDS:
        with suppress(KubeError):
            await cluster.kube.list(kind)


def describe(path: Path) -> dict[str, Any]:
    """The cluster in a snapshot, as the simulated world builds it."""
    return asyncio.run(_describe(path))


async def _describe(path: Path) -> dict[str, Any]:
    taken = load(path)
    async with connected(Target(snapshot=path)) as found:
        cluster = found.identity.cluster
    resources: dict[str, list[Resource]] = {}
    for name, resource in taken.compute.items():
        if name:
            resources.setdefault(name.rpartition("/")[0].rpartition("/")[2], []).append(resource)
    resources["firewallPolicies"] = _policies(taken)
    return {
        "name": cluster.name,
        "project": taken.project,
        "region": cluster.region,
        "nodes_range": cluster.nodes,
        "pods": cluster.pods,
        "services": cluster.services,
        "resources": resources,
        "objects": taken.kubernetes,
        "quotas": taken.compute.get("", {}).get("quotas") or [],
    }


def _policies(taken: Snapshot) -> list[Resource]:
    """The firewall policies that are in force for the VMs in the snapshot, as the simulated Compute Engine has them."""
    root = f"https://www.googleapis.com/compute/v1/projects/{taken.project}"
    found: dict[str, Resource] = {}
    for call, answer in taken.answers.items():
        path, _, method = call.removeprefix("GET ").rpartition("/")
        if method != "getEffectiveFirewalls":
            continue
        for policy in answer.get("firewallPolicys") or ():
            regional = policy.get("type") == "NETWORK_REGIONAL"
            place = f"regions/{path.split('/')[1].rpartition('-')[0]}" if regional else "global"
            link = f"{root}/{place}/firewallPolicies/{policy['name']}"
            known = found.setdefault(
                link, {**policy, "rules": [], "selfLink": link, "network": _network(taken.compute.get(path) or {})}
            )
            known["rules"] += [rule for rule in policy.get("rules") or () if rule not in known["rules"]]
    return [each for each in found.values() if each.get("type") in ("HIERARCHY", "NETWORK", "NETWORK_REGIONAL")]


def _network(instance: Resource) -> str:
    return str(first_interface(instance).get("network") or "")

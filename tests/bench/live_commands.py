"""`python -m tests.bench.live_commands`: what `preflight` and `plan` cost with 5,000 nodes, as one JSON document.

The cluster is a snapshot of a small one of kubeadm on the simulated cloud, in which one node with its VM, route and
pods is repeated. Each command reads the document in a process of its own; a process that only reads it is subtracted.
Exit status 1 when a bound does not hold.
"""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tests.bench.bounds import Bound
from tests.bench.example import EXAMPLE

SECONDS, MEGABYTES = 10.0, 300.0
"""Of processor time and of resident memory, beside the reading."""

THIS = (sys.executable, "-m", "tests.bench.live_commands")
DUALSTACK = (sys.executable, "-m", "dualstack")
READING = "import sys; from pathlib import Path; from dualstack.snapshot.document import load; load(Path(sys.argv[2]))"
Document = dict[str, Any]


@click.command()
@click.option("--nodes", type=click.IntRange(1, 8000), default=5000, show_default=True)
@click.option("--write", type=click.Path(path_type=Path), hidden=True)
def main(nodes: int, write: Path | None) -> None:
    """Measure `preflight` and `plan` with the snapshot of a large cluster."""
    if write is not None:
        take(write)
        document = enlarged(json.loads(write.read_text(encoding="utf-8")), nodes)
        write.write_text(json.dumps(document), encoding="utf-8")
        return
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder, "large.json")
        # In a process of its own: the memory of a process is at least that of the one that has started it.
        subprocess.run((*THIS, "--nodes", str(nodes), "--write", str(large)), check=True)
        reading = cost((sys.executable, "-c", READING), large)
        rows = {name: cost((*DUALSTACK, name), large) for name in ("preflight", "plan")}
    bounds = list(bounds_of(reading, rows))
    document = {
        "schema": "dualstack.bench.live-commands/v1",
        "nodes": nodes,
        "reading": reading,
        "commands": rows,
        "bounds": [bound.as_json() for bound in bounds],
    }
    click.echo(json.dumps(document, indent=2))
    sys.exit(0 if all(bound.holds for bound in bounds) else 1)


def take(file: Path) -> None:
    """Write the snapshot of a cluster that is served for that."""
    served = (*DUALSTACK, "sim", "serve", str(EXAMPLE), "--landscape", "kubeadm", "--speed", "120")
    with subprocess.Popen(served, stdout=subprocess.PIPE) as world:
        try:
            assert world.stdout is not None
            facts = json.loads(world.stdout.readline())
            target = ("--kubeconfig", facts["kubeconfig"], "--compute-endpoint", facts["computeEndpoint"])
            subprocess.run((*DUALSTACK, "snapshot", "--quiet", *target, "--output", str(file)), check=True)
        finally:
            world.terminate()


def enlarged(document: Document, nodes: int) -> Document:
    """The document with so many more nodes, each like the last one."""
    objects, compute = document["kubernetes"], document["compute"]
    node = max(objects["v1/Node"], key=lambda it: str(it["metadata"]["name"]))
    name, block = node["metadata"]["name"], ipaddress.ip_network(node["spec"]["podCIDR"])
    address = next(it["address"] for it in node["status"]["addresses"] if it["type"] == "InternalIP")
    resources = [
        (path, body) for path, body in compute.items() if f"/instances/{name}" in path + body.get("nextHopInstance", "")
    ]
    pods = [pod for pod in objects["v1/Pod"] if pod["spec"].get("nodeName") == name]
    taken = {it["spec"].get("podCIDR") for it in objects["v1/Node"]}
    blocks = (it for it in block.supernet(new_prefix=11).subnets(new_prefix=block.prefixlen) if str(it) not in taken)
    for number, other in zip(range(nodes), blocks, strict=False):
        renamed = {
            name: f"{name}-{number}",
            str(block.network_address).removesuffix(".0") + ".": str(other.network_address).removesuffix(".0") + ".",
            f'"{address}"': f'"{ipaddress.ip_address("10.250.16.0") + number}"',
        }
        for path, body in resources:
            route = {} if "nextHopInstance" not in body else {body["name"]: f"{body['name'][:20]}-{number}"}
            again = _copy({path: body | {"id": str(10**18 + number)}}, renamed | route)
            compute |= again
        objects["v1/Node"].append(_copy(_as_another(node, number), renamed))
        objects["v1/Pod"] += [_copy(_as_another(pod, number), renamed) for pod in pods]
    return document


def _as_another(found: Document, number: int) -> Document:
    metadata = found["metadata"]
    name = metadata["name"] if found["kind"] == "Node" else f"{metadata['name']}-{number}"
    return found | {"metadata": metadata | {"uid": f"{metadata['uid']}-{number}", "name": name}}


def _copy(found: Document, renamed: dict[str, str]) -> Document:
    text = json.dumps(found)
    for old, new in renamed.items():
        text = text.replace(old, new)
    copied: Document = json.loads(text)
    return copied


def cost(command: tuple[str, ...], file: Path) -> dict[str, float]:
    """Seconds of processor time and megabytes of resident memory of one process that reads the snapshot."""
    process = subprocess.Popen(
        (*command, "--snapshot", str(file)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, _, used = os.wait4(process.pid, 0)
    return {"seconds": round(used.ru_utime + used.ru_stime, 2), "megabytes": round(used.ru_maxrss / 1024, 1)}


def bounds_of(reading: dict[str, float], rows: dict[str, dict[str, float]]) -> Iterator[Bound]:
    """Of each command, without what reading takes."""
    for name, row in rows.items():
        yield Bound(f"{name}: seconds beside the reading", round(row["seconds"] - reading["seconds"], 2), SECONDS)
        yield Bound(f"{name}: MB beside the reading", round(row["megabytes"] - reading["megabytes"], 1), MEGABYTES)


if __name__ == "__main__":
    main()

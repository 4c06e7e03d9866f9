"""`make bench`: how fast the simulated Compute Engine is, as one JSON document on standard output.

The server runs in a process of its own on one core, the client in this one on another. Figures of the server's CPU
time stand beside those of the wall time, which also includes other work of the machine. Exit code 1 if a
figure misses its target.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.client import Request, drive, fetch

ROOT = "/compute/v1/projects/proj-1"
ZONE = "zones/europe-west1-b"
LARGE = 5000
TARGETS: dict[str, tuple[str, float]] = {
    "gets_per_second": (">=", 3000.0),
    "mutations_per_second": (">=", 1500.0),
    "large_load_seconds": ("<=", 5.0),
    "large_slowest_page_seconds": ("<=", 0.060),
    "large_resident_megabytes": ("<=", 400.0),
}


@contextmanager
def served(nodes: int) -> Iterator[tuple[dict[str, Any], int]]:
    """The server's first line of output, and its process ID."""
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "tests.bench.served_world", str(nodes)]
    if len(cores) > 1:
        command.append(str(cores[0]))
        os.sched_setaffinity(0, set(cores[1:]))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield json.loads(line), process.pid
        finally:
            if process.stdin:
                process.stdin.close()
            process.wait(30)
            os.sched_setaffinity(0, set(cores))


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def _insert_route(name: str, number: int) -> Request:
    body = {
        "name": name,
        "network": "global/networks/vpc",
        "destRange": f"172.{16 + number // 65536}.{number // 256 % 256}.{number % 256}/32",
        "nextHopInstance": f"{ZONE}/instances/vm0",
    }
    return Request("POST", f"{ROOT}/global/routes", json.dumps(body).encode())


def _rate(url: str, process: int, requests: list[Request]) -> tuple[float, float]:
    """Requests per second of wall time, and per second of the server's CPU time."""
    before = cpu_seconds(process)
    seconds = asyncio.run(drive(url, requests))
    return len(requests) / seconds, len(requests) / max(cpu_seconds(process) - before, 0.01)


def throughput() -> dict[str, float]:
    """GETs of single resources, inserts and deletes of routes, in a world of 100 nodes."""
    paths = [f"{ROOT}/{ZONE}/instances/vm0", f"{ROOT}/global/routes/route-1", f"{ROOT}/global/networks/vpc"]
    gets = [Request("GET", paths[number % 3]) for number in range(9000)]
    inserts = [_insert_route(f"extra-{number}", number) for number in range(2500)]
    deletes = [Request("DELETE", f"{ROOT}/global/routes/extra-{number}") for number in range(2500)]
    with served(100) as (said, process):
        url = said["url"]
        warm = Request("GET", paths[0])
        asyncio.run(drive(url, [warm] * 500))
        get_rate, get_cpu = max(_rate(url, process, gets) for _ in range(2))
        insert_rate, insert_cpu = _rate(url, process, inserts)
        _settle(url)
        delete_rate, delete_cpu = _rate(url, process, deletes)
    return {
        "gets_per_second": get_rate,
        "gets_per_cpu_second": get_cpu,
        "mutations_per_second": 2 / (1 / insert_rate + 1 / delete_rate),
        "mutations_per_cpu_second": 2 / (1 / insert_cpu + 1 / delete_cpu),
    }


def _settle(url: str) -> None:
    """Wait until no route is being inserted: an insert that is under way cannot be deleted."""
    path = f"{ROOT}/global/operations?maxResults=1&filter=status%20ne%20DONE"
    while b'"items"' in asyncio.run(fetch(url, path))[1]:
        time.sleep(0.1)


def large_world() -> dict[str, float]:
    """Loading 5,000 instances and 5,000 routes, and listing them page by page."""
    with served(LARGE) as (said, process):
        pages: list[float] = []
        rows = 0
        for path in (f"{ROOT}/global/routes", f"{ROOT}/{ZONE}/instances", f"{ROOT}/aggregated/instances"):
            seconds, found = _list(said["url"], path)
            pages += seconds
            rows += found
        if rows < 2 * LARGE:
            raise SystemExit(f"only {rows} rows were listed")
        return {
            "large_load_seconds": said["load_seconds"],
            "large_pages": float(len(pages)),
            "large_median_page_seconds": median(pages),
            "large_slowest_page_seconds": max(pages),
            "large_resident_megabytes": resident_megabytes(process),
        }


def _list(url: str, path: str) -> tuple[list[float], int]:
    """Seconds of each page, and how many rows they had together."""
    pages: list[float] = []
    rows, token = 0, ""
    while True:
        elapsed, body = asyncio.run(fetch(url, f"{path}?maxResults=500&pageToken={token}"))
        document = json.loads(body)
        items = document.get("items", [])
        rows += (
            len(items) if isinstance(items, list) else sum(len(part.get("instances", [])) for part in items.values())
        )
        pages.append(elapsed)
        token = document.get("nextPageToken", "")
        if not token:
            return pages, rows


def help_seconds() -> dict[str, float]:
    """Wall time of `dualstack --help`, the best of five."""
    walls = []
    for _ in range(5):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "dualstack", "--help"], check=True, stdout=subprocess.DEVNULL)
        walls.append(time.perf_counter() - begun)
    return {"help_seconds": min(walls)}


def missed(figures: dict[str, float]) -> list[str]:
    """The targets that the figures miss."""
    holds: dict[str, Callable[[float, float], bool]] = {">=": float.__ge__, "<=": float.__le__}
    return [
        f"{name} is {figures[name]:.4g}, not {sign} {bound:g}"
        for name, (sign, bound) in TARGETS.items()
        if not holds[sign](figures[name], bound)
    ]


def main() -> int:
    figures = {**throughput(), **large_world(), **help_seconds()}
    faults = missed(figures)
    rounded = {name: round(value, 4) for name, value in figures.items()}
    targets = {name: f"{sign} {bound:g}" for name, (sign, bound) in TARGETS.items()}
    sys.stdout.write(json.dumps({"figures": rounded, "targets": targets, "missed": faults}, indent=2) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""`dualstack preflight` and `dualstack preflight diff`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from dualstack.cli.live.change import Progress
from dualstack.cli.live.connect import connected
from dualstack.cli.live.findings import STATUS_OF, Report, difference, parse, refuse_unknown
from dualstack.cli.live.findings_formats import as_html, as_junit, as_markdown, as_text, difference_text
from dualstack.cli.live.inspect import inspect, observed
from dualstack.cli.live.options import Target
from dualstack.cli.live.result import ClusterName, print_result
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.prepare import PREPARE
from dualstack.preflight.finding import Severity
from dualstack.preflight.registry import ALL_CHECKS, run_checks
from dualstack.streams import print_out

FORMATS: Mapping[str, Callable[[Report], str]] = {"junit": as_junit, "markdown": as_markdown, "html": as_html}
"""Those that only the preflight has."""


def run_preflight(
    target: Target, *, accept: Sequence[str], fail_on: Severity, prober_image: str, output: str, quiet: bool
) -> None:
    """Print the report, and end with its exit status."""
    refuse_unknown(accept)
    report = asyncio.run(_preflight(target, accept, fail_on, prober_image, quiet=quiet))
    if output in FORMATS:
        print_out(FORMATS[output](report))
    else:
        print_result(report, as_text(report), output)
    _end(report.worst)


def run_difference(old: Path, new: Path, *, fail_on: Severity, output: str) -> None:
    """Print what differs between two saved reports, and end with its exit status."""
    first, second = (parse(path.read_bytes(), str(path)) for path in (old, new))
    found = difference(first, second, fail_on)
    print_result(found, difference_text(found), output)
    _end(found.worst)


async def _preflight(
    target: Target, accept: Sequence[str], fail_on: Severity, prober_image: str, *, quiet: bool
) -> Report:
    async with connected(target) as cluster:
        Progress(cluster.clock.now(), quiet).say(f"Reading {ClusterName.of(cluster).describe()} ...")
        settings = Settings(decoys=bool(prober_image) or None)
        inventory = await inspect(cluster, await observed(cluster), PREPARE, settings, prober_image)
        return Report.of(
            ClusterName.of(cluster),
            run_checks(inventory, ALL_CHECKS),
            read_at=cluster.clock.now(),
            fail_on=fail_on,
            accepted=accept,
        )


def _end(worst: Severity | str) -> NoReturn:
    sys.exit(next((status for severity, status in STATUS_OF.items() if severity == worst), 0))

"""The options of commands for a live cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dualstack.cli.cloud_options import Command, add, clock_options, endpoint_option

if TYPE_CHECKING:
    from dualstack.clock import ScaledClock
    from dualstack.traffic.coordinator import TrafficSettings

DOCUMENT = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Target:
    """Which cluster, and with which credentials. Fields as the options of `cluster_options`."""

    kubeconfig: Path | None = None
    context: str | None = None
    project: str = ""
    credentials: Path | None = None
    impersonate_service_account: str = ""
    compute_endpoint: str = "https://compute.googleapis.com"
    cluster_name: str = ""
    pod_cidr: str = ""
    service_cidr: str = ""
    clock_origin: float = 0.0
    clock_speed: float = 1.0
    clock_pauses: Path | None = None
    end_with_stdin: bool = False
    snapshot: Path | None = None
    garden_kubeconfig: Path | None = None
    shoot: str = ""
    seed_kubeconfig: Path | None = None

    @property
    def clock(self) -> ScaledClock:
        """The clock of the cluster: the wall clock, unless the cluster is simulated."""
        from dualstack.clock import Pauses, ScaledClock

        pauses = Pauses(self.clock_pauses) if self.clock_pauses else None
        return ScaledClock(self.clock_origin, self.clock_speed, pauses)

    @classmethod
    def of(cls, options: dict[str, Any]) -> Target:
        """From the options of a command, which are removed from `options`."""
        return cls(**{name: options.pop(name) for name in cls.__slots__ if name in options})


@dataclass(frozen=True, slots=True)
class ChangeOptions:
    """The options that `prepare`, `migrate`, `finish`, `rollback` and `verify` share; a command may lack some."""

    target: Target
    canary: str = ""
    prober_image: str = ""
    plan: Path | None = None
    traffic: TrafficSettings | None = None
    yes: bool = False
    output: str = "text"
    quiet: bool = False

    @classmethod
    def of(cls, options: dict[str, Any]) -> ChangeOptions:
        """From the options of a command, which are removed from `options`. InvalidInput for those of `--traffic`."""
        from dualstack.cli.live.measured import settings_of

        target, wanted, internet = Target.of(options), options.pop("traffic", False), options.pop("internet", ())
        traffic = settings_of(options.get("prober_image", ""), internet) if wanted else None
        shared = {name: options.pop(name) for name in cls.__slots__ if name in options}
        return cls(target, traffic=traffic, **shared)


def google_options(command: Command) -> Command:
    """Add the options for access to Google Cloud, and for the clock of a simulated one."""
    return add(
        command,
        click.option(
            "--credentials",
            type=DOCUMENT,
            help="Google credentials as a JSON file. Default: Application Default Credentials.",
        ),
        click.option(
            "--impersonate-service-account", metavar="EMAIL", default="", help="Send requests as this service account."
        ),
        endpoint_option,
        clock_options,
    )


def cluster_options(command: Command) -> Command:
    """Add the options of `Target`."""
    return add(
        command,
        click.option(
            "--kubeconfig",
            type=click.Path(path_type=Path),
            help="The cluster's kubeconfig. Default: $KUBECONFIG, else ~/.kube/config, else the pod's service account.",
        ),
        click.option("--context", metavar="NAME", help="Context of the kubeconfig. Default: the current one."),
        click.option("--project", metavar="ID", default="", help="Google Cloud project. Default: that of the Nodes."),
        google_options,
        click.option(
            "--cluster-name",
            metavar="NAME",
            default="",
            help="cloud-controller-manager's --cluster-name, if not found.",
        ),
        click.option("--pod-cidr", metavar="CIDR", default="", help="IPv4 range of the pods, if not found."),
        click.option("--service-cidr", metavar="CIDR", default="", help="IPv4 range of the Services, if not found."),
        click.option("--end-with-stdin", is_flag=True, hidden=True),
    )


snapshot_option = click.option(
    "--snapshot",
    type=DOCUMENT,
    help="Read this document of `dualstack snapshot` instead of a cluster.",
)
profile_option = click.option(
    "--profile",
    type=DOCUMENT,
    help="A document of `dualstack trial`: do not choose a strategy that contradicts what it has measured.",
)
plan_option = click.option(
    "--plan",
    type=DOCUMENT,
    help="A plan of `dualstack plan --out`; refuse if the cluster is not as it was then.",
)
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
no_wait_option = click.option(
    "--no-wait", is_flag=True, help="Fail instead of waiting until the route controller has stopped."
)
accept_option = click.option(
    "--accept", multiple=True, metavar="ID", help="Accept the finding ID of the preflight. Repeatable."
)


def shoot_options(command: Command) -> Command:
    """Add the options for the garden and the seed of a Gardener shoot."""
    file = click.Path(path_type=Path)
    return add(
        command,
        click.option(
            "--garden-kubeconfig",
            type=file,
            help="Of a Gardener shoot: a kubeconfig of its project in the garden, which shows the Shoot.",
        ),
        click.option(
            "--shoot",
            metavar="[NAMESPACE/]NAME|FILE",
            default="",
            help="The Shoot in the garden, where it does not follow from the cluster; or its manifest.",
        ),
        click.option(
            "--seed-kubeconfig",
            type=file,
            help="Of a Gardener shoot: a kubeconfig of its seed, which shows its machines and Gardener's objects.",
        ),
    )


def traffic_options(what: str) -> Callable[[Command], Command]:
    """Add `--traffic` and `--internet`. what: the clause about what happens with the measurement."""
    return lambda command: add(
        command,
        click.option(
            "--traffic",
            is_flag=True,
            help=f"Measure real traffic between the nodes with small pods of --prober-image; {what} (docs/traffic.md).",
        ),
        click.option(
            "--internet",
            multiple=True,
            metavar="ADDRESS:PORT",
            help="With --traffic, also connect to this target on the internet. Repeatable.",
        ),
    )


canary_option = click.option(
    "--canary", metavar="NODE", default="", help="The node that goes first in every stage. Default: any."
)


def output_options(*formats: str) -> Callable[[Command], Command]:
    """Add `-o/--output` with `text`, `json`, `yaml` and these formats, and `--quiet`."""

    def with_output(command: Command) -> Command:
        output = click.option(
            "-o",
            "--output",
            type=click.Choice(["text", "json", "yaml", *formats]),
            default="text",
            show_default=True,
            help="Format of the result on standard output; progress goes to standard error.",
        )
        quiet = click.option("-q", "--quiet", is_flag=True, help="No progress, only errors and the result.")
        return output(quiet(command))

    return with_output

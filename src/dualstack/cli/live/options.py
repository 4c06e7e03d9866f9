"""The options of commands for a live cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

from dualstack.cli.cloud_options import Speed

Command = TypeVar("Command", bound=Callable[..., Any])


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
    end_with_stdin: bool = False
    snapshot: Path | None = None

    @classmethod
    def of(cls, options: dict[str, Any]) -> Target:
        """From the options of a command, which are removed from `options`."""
        return cls(**{name: options.pop(name) for name in cls.__slots__ if name in options})


def cluster_options(command: Command) -> Command:
    """Add the options of `Target`."""
    options = (
        click.option(
            "--kubeconfig",
            type=click.Path(path_type=Path),
            help="The cluster's kubeconfig. Default: $KUBECONFIG, else ~/.kube/config, else the pod's service account.",
        ),
        click.option("--context", metavar="NAME", help="Context of the kubeconfig. Default: the current one."),
        click.option("--project", metavar="ID", default="", help="Google Cloud project. Default: that of the Nodes."),
        click.option(
            "--credentials",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Google credentials as a JSON file. Default: Application Default Credentials.",
        ),
        click.option(
            "--impersonate-service-account", metavar="EMAIL", default="", help="Send requests as this service account."
        ),
        click.option(
            "--compute-endpoint",
            metavar="URL",
            envvar="DUALSTACK_COMPUTE_ENDPOINT",
            default="https://compute.googleapis.com",
            show_default=True,
            help="The Compute Engine API.",
        ),
        click.option(
            "--cluster-name",
            metavar="NAME",
            default="",
            help="cloud-controller-manager's --cluster-name, if not found.",
        ),
        click.option("--pod-cidr", metavar="CIDR", default="", help="IPv4 range of the pods, if not found."),
        click.option("--service-cidr", metavar="CIDR", default="", help="IPv4 range of the Services, if not found."),
        click.option("--clock-origin", type=float, envvar="DUALSTACK_CLOCK_ORIGIN", default=0.0, hidden=True),
        click.option("--clock-speed", type=Speed(), envvar="DUALSTACK_CLOCK_SPEED", default=1.0, hidden=True),
        click.option("--end-with-stdin", is_flag=True, hidden=True),
    )
    return reduce(lambda decorated, option: option(decorated), reversed(options), command)


def snapshot_option(command: Command) -> Command:
    """Add `--snapshot` to a command that only reads."""
    return click.option(
        "--snapshot",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Read this document of `dualstack snapshot` instead of a cluster.",
    )(command)


def profile_option(command: Command) -> Command:
    """Add `--profile`."""
    return click.option(
        "--profile",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A document of `dualstack trial`: do not choose a strategy that contradicts what it has measured.",
    )(command)


def plan_option(command: Command) -> Command:
    """Add `--plan`."""
    return click.option(
        "--plan",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A plan of `dualstack plan --out`; refuse if the cluster is not as it was then.",
    )(command)


def output_options(*formats: str) -> Callable[[Command], Command]:
    """Add `-o/--output` with `text`, `json`, `yaml` and these formats, and `--quiet`."""

    def add(command: Command) -> Command:
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

    return add

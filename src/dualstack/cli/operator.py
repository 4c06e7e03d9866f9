"""`dualstack operator`: runs the controllers until a signal ends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dualstack.cli.cloud_options import clock_options, endpoint_option, strategy_option


class ControllerNames(click.ParamType[tuple[str, ...]]):
    """Names of controllers, separated by commas. Literals, because reading them from the operator would slow down
    `--help`."""

    name = "names"
    known = ("shoot", "infrastructure", "controlplane", "network", "worker")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
        if unknown := [name for name in names if name not in self.known]:
            self.fail(f"unknown controller {unknown[0]!r}; must be some of {', '.join(self.known)}.", param, ctx)
        return names


@click.command()
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    help="The seed: the current context of this file. Default: $KUBECONFIG, else ~/.kube/config, else the service "
    "account of the pod.",
)
@click.option(
    "--garden-kubeconfig",
    type=click.Path(path_type=Path),
    help="The garden, which the controller of Shoots needs. Default: the seed.",
)
@endpoint_option
@click.option(
    "--controllers",
    type=ControllerNames(),
    metavar="NAME,...",
    show_default="infrastructure; all with --landscape standalone",
    help="Which controllers run. Objects of the others are left to the programs that manage them.",
)
@click.option(
    "--landscape",
    type=click.Choice(["gardener", "standalone"]),
    default="gardener",
    show_default=True,
    help="`gardener`: beside gardenlet and Gardener's extensions, in place of provider-gcp's Infrastructure "
    "controller. `standalone`: where no gardenlet runs; the controllers take its place and that of the extensions.",
)
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    metavar="PATTERN",
    help="Opt in the Shoots of these namespaces, of the garden or of the seed; `*` is any text. Repeatable. Others "
    'need the annotation dualstack.dev/enabled: "true".',
)
@click.option(
    "--selector",
    default="",
    metavar="LABELS",
    help="Opt in the Shoots with these labels, in the namespaces of `--namespace` if it is given.",
)
@strategy_option
@click.option(
    "--rollout",
    type=click.Choice(["auto", "manual"]),
    default="manual",
    show_default=True,
    help="Whether to request the replacement of the nodes as soon as new machines are dual-stack.",
)
@click.option(
    "--prober-image",
    metavar="IMAGE",
    default="",
    help="Image with this program for the probing pods of the decoy check.",
)
@click.option("--events", metavar="FILE", help="Append events to FILE as JSON lines; `-` is standard output.")
@clock_options
@click.option(
    "--concurrent-syncs",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="How many objects are reconciled at a time. Those that wait for a cloud or a cluster do not count.",
)
@click.option(
    "--leader-elect/--no-leader-elect",
    default=None,
    show_default="in a pod",
    help="Whether to work only while this process holds the Lease `dualstack-operator`, so that replicas stand by.",
)
@click.option(
    "--lease-namespace", metavar="NAME", show_default="that of the kubeconfig or pod", help="Namespace of the Lease."
)
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve Prometheus metrics on this port.")
@click.option("--health-port", type=click.IntRange(1, 65535), help="Serve /healthz and /readyz on this port.")
@click.option("--end-with-stdin", is_flag=True, hidden=True, help="End when standard input, a pipe, is closed.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="`text`: key=value; `json`: one object a line.",
)
@click.option("--debug", is_flag=True, help="Log more.")
def operator(
    clock_origin: float,
    clock_speed: float,
    clock_pauses: Path | None,
    landscape: str,
    controllers: tuple[str, ...] | None,
    **options: Any,
) -> None:
    """Watch Shoots and migrate those that request IPv6 to dual-stack; runs until SIGTERM or SIGINT."""
    from dualstack.clock import Pauses, ScaledClock
    from dualstack.operator.assembly import OperatorOptions
    from dualstack.operator.landscape import controllers_of
    from dualstack.operator.process import run

    run(
        OperatorOptions(
            clock=ScaledClock(clock_origin, clock_speed, Pauses(clock_pauses) if clock_pauses else None),
            landscape=landscape,
            controllers=controllers_of(landscape, controllers),
            **options,
        )
    )

"""Options that commands share, whichever cloud they are for, and those of commands that start a simulated world."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import SingleConfig

Command = TypeVar("Command", bound=Callable[..., Any])


FASTEST = 10_000.0
"""At a higher speed, timeouts expire before any process can act."""


class Speed(click.FloatRange):
    """Simulated seconds in one second of wall time: a number above 0, at most `FASTEST`."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True, max=FASTEST)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        speed = float(super().convert(value, param, ctx))
        if math.isnan(speed):
            self.fail(f"{value} is not a number.", param, ctx)
        return speed


class StrategyName(click.Choice[str]):
    """The name of a strategy, or `auto`. Literals, because reading them from the planners would slow down `--help`."""

    def __init__(self) -> None:
        super().__init__(["overlap", "compressed", "auto"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "gardener":
            self.fail(
                "'gardener' is not a strategy: to see upstream's own order, run "
                "`dualstack rehearse --landscape gardener`.",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


def add(command: Command, *options: Callable[[Command], Command]) -> Command:
    """Add options, shown in this order."""
    return reduce(lambda decorated, option: option(decorated), reversed(options), command)


def _url(context: click.Context, option: click.Parameter, value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise click.BadParameter(f"{value!r} is not a URL that begins with https:// or http://.")
    return value


strategy_option = click.option(
    "--strategy",
    type=StrategyName(),
    default="overlap",
    show_default=True,
    help="How pod routes become alias ranges: `overlap` loses no packet, `compressed` has a short outage, `auto` "
    "chooses by the size of the network and the features of the cloud.",
)
endpoint_option = click.option(
    "--compute-endpoint",
    metavar="URL",
    envvar="DUALSTACK_COMPUTE_ENDPOINT",
    default="https://compute.googleapis.com",
    show_default=True,
    callback=_url,
    help="The Compute Engine API.",
)
pauses_option = click.option(
    "--clock-pauses",
    type=click.Path(dir_okay=False, path_type=Path),
    hidden=True,
    help="File with which a simulated world lets the clock stand still while it is busy.",
)


def clock_options(command: Command) -> Command:
    """Add the options of a clock that agrees with wall time at `--clock-origin` and runs at `--clock-speed`."""
    return add(
        command,
        click.option("--clock-origin", type=float, envvar="DUALSTACK_CLOCK_ORIGIN", default=0.0, hidden=True),
        click.option("--clock-speed", type=Speed(), envvar="DUALSTACK_CLOCK_SPEED", default=1.0, hidden=True),
        pauses_option,
    )


def landscape_option(**others: str) -> Callable[[Command], Command]:
    """Add `--landscape`. others: help for landscapes that only this command has, by name."""
    more = "".join(f"; `{name}`, {text}" for name, text in others.items())
    return click.option(
        "--landscape",
        type=click.Choice(["dualstack", "gardener", *others]),
        default="dualstack",
        show_default=True,
        help="Who changes the infrastructure: `dualstack`, the operator; `gardener`, a controller among gardenlet and "
        f"upstream's extensions, as in a real landscape{more}.",
    )


def infrastructure_option() -> Callable[[Command], Command]:
    """Add `--infrastructure`."""
    return click.option(
        "--infrastructure",
        type=click.Choice(["provider-gcp", "dualstack"]),
        default="provider-gcp",
        show_default=True,
        help="With `--landscape gardener`, the Infrastructure controller: `provider-gcp`, upstream's, to see what the "
        "owner of a Shoot gets today; `dualstack`, the operator's, with everything else upstream's.",
    )


def simulated_world(*, speed: float) -> Callable[[Command], Command]:
    """Add `--speed` (with this default), `--seed`, `--faults`, `--profile` and `--knob`, in this order."""
    options = (
        click.option(
            "--speed",
            type=Speed(),
            default=speed,
            show_default=True,
            help="Simulated seconds in one second of wall time.",
        ),
        click.option(
            "--seed",
            type=int,
            default=0,
            show_default=True,
            help="Seed of the world; the same seed gives the same names, ids and latencies.",
        ),
        click.option(
            "--faults",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Faults to inject, as YAML (docs/faults.md).",
        ),
        click.option(
            "--profile",
            default="documented",
            show_default=True,
            metavar="NAME|FILE",
            help="How the simulated cloud behaves where no document states it: `documented`, `pessimistic`, "
            "`optimistic`, or as measured in a document of `dualstack trial`.",
        ),
        click.option(
            "--knob",
            "knobs",
            multiple=True,
            metavar="NAME=VALUE",
            help="Override the profile in one open question, for example K1=allow. Repeatable.",
        ),
    )
    return lambda command: add(command, *options)


def kubernetes_option(command: Command) -> Command:
    """Add `--kubernetes` and `--kubernetes-kubeconfig`."""
    url = click.option(
        "--kubernetes",
        metavar="URL",
        help="Fill this API server, which has no Nodes yet, instead of simulating one "
        "(docs/simulated-kubernetes.md#a-real-api-server).",
    )
    credentials = click.option(
        "--kubernetes-kubeconfig",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="With --kubernetes: kubeconfig with the credentials for it; $KUBECONFIG or ~/.kube/config by default.",
    )
    return url(credentials(command))


def connection_of(url: str | None, kubeconfig: Path | None) -> SingleConfig | None:
    """The API server of `kubernetes_option`; None without one. InvalidInput."""
    import msgspec

    from dualstack.kube.connection import find_connection

    if url is None:
        if kubeconfig is not None:
            raise click.UsageError("--kubernetes-kubeconfig: it needs --kubernetes URL")
        return None
    found = find_connection(kubeconfig)
    return found._replace(cluster=msgspec.structs.replace(found.cluster, server=url.rstrip("/")))


def chosen(*, speed: float, profile: str, knobs: tuple[str, ...], **others: Any) -> dict[str, Any]:
    """The values of these options as the simulated world takes them, with a clock that starts now."""
    from dualstack.clock import Pauses
    from dualstack_sim.rules.profiles import choose
    from dualstack_sim.steppable_clock import SteppableClock

    file = others.pop("clock_pauses", None)
    if "kubernetes" in others:
        others["kubernetes"] = connection_of(others["kubernetes"], others.pop("kubernetes_kubeconfig"))
    clock = SteppableClock(time.time(), speed, Pauses(file) if file else None)
    return {**others, "clock": clock, "profile": choose(profile, knobs)}

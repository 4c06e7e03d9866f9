"""Every experiment, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.model.errors import InvalidInput
from dualstack.trial.experiment import Experiment
from dualstack.trial.experiments import (
    alias_precedence,
    clear_flag,
    guest_agent,
    ipv6_prefix,
    network_quota,
    nic_stack_type,
    overlap_flag,
    patch_grouping,
    propagation,
    range_over_routes,
    repeated_alias,
    request_latency,
    request_quota,
    route_in_range,
    route_under_flag,
    subnet_afterwards,
    subnet_order,
    transitions,
)

EXPERIMENTS: tuple[Experiment, ...] = (
    overlap_flag.EXPERIMENT,
    patch_grouping.EXPERIMENT,
    range_over_routes.EXPERIMENT,
    route_in_range.EXPERIMENT,
    route_under_flag.EXPERIMENT,
    clear_flag.EXPERIMENT,
    subnet_afterwards.EXPERIMENT,
    ipv6_prefix.EXPERIMENT,
    repeated_alias.EXPERIMENT,
    propagation.EXPERIMENT,
    guest_agent.EXPERIMENT,
    alias_precedence.EXPERIMENT,
    transitions.EXPERIMENT,
    subnet_order.EXPERIMENT,
    nic_stack_type.EXPERIMENT,
    network_quota.EXPERIMENT,
    request_latency.EXPERIMENT,
    request_quota.EXPERIMENT,
)


def chosen(names: Sequence[str]) -> tuple[Experiment, ...]:
    """The experiments of these names, in the order of the registry; for no name all but those of `by_name`.

    InvalidInput for a name that does not exist.
    """
    known = {experiment.name: experiment for experiment in EXPERIMENTS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidInput(*(f"--experiment {name}: must be one of {', '.join(known)}" for name in unknown))
    return tuple(
        experiment for experiment in EXPERIMENTS if (experiment.name in names if names else not experiment.by_name)
    )

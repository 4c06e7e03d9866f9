"""Who changes the infrastructure in a rehearsal: the operator, or upstream's controller as an actor of the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dualstack.model.errors import InvalidInput
from dualstack.operator.landscape import CONTROLLERS

UPSTREAM, PREPARED = "upstream", "upstream, prepared"
"""What takes the place of a strategy when upstream's controller migrates."""


@dataclass(frozen=True, slots=True)
class Landscape:
    """`name`: `dualstack` or `gardener`. prepared: `dualstack prepare` runs before the Shoot is edited, and
    `dualstack finish` afterwards."""

    name: str = "dualstack"
    prepared: bool = False

    @property
    def upstream(self) -> bool:
        """Whether upstream's Infrastructure controller runs instead of the operator's."""
        return self.name == "gardener"

    @property
    def controllers(self) -> tuple[str, ...]:
        """The controllers of the operator."""
        return tuple(name for name in CONTROLLERS if name != "infrastructure" or not self.upstream)

    @property
    def caller(self) -> str:
        """The start of the User-Agent of the program that changes the infrastructure."""
        return "gardener-extension-provider-gcp" if self.upstream else "dualstack/"

    @property
    def way(self) -> str | None:
        """The outage of `UPSTREAM` is measured and accepted; `PREPARED` must have none. None: a strategy decides."""
        if not self.upstream:
            return None
        return PREPARED if self.prepared else UPSTREAM

    def describe(self) -> str:
        """What migrates, for example "upstream's controller (landscape gardener), prepared and finished"."""
        return f"upstream's controller (landscape {self.name})" + (", prepared and finished" if self.prepared else "")

    def world_arguments(self) -> list[str]:
        """The arguments for `dualstack sim serve`."""
        return [f"--landscape={self.name}"]

    def refuse(self, without_effect: Mapping[str, bool]) -> None:
        """Raise InvalidInput for options that have no effect here. without_effect: by option, whether it is given."""
        if self.prepared and not self.upstream:
            raise InvalidInput("--prepared: it needs --landscape gardener; the operator prepares a cluster itself")
        if self.upstream and (given := [option for option, present in without_effect.items() if present]):
            raise InvalidInput(
                f"{', '.join(given)}: no effect with --landscape gardener, in which upstream's controller changes the "
                "infrastructure; omit it"
            )


DUALSTACK = Landscape()

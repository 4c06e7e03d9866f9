"""The landscape of a rehearsal: an operator that does everything, or Gardener's programs as actors of the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dualstack.model.errors import InvalidInput
from dualstack.operator.landscape import CONTROLLERS

UPSTREAM, PREPARED = "upstream", "upstream, prepared"
"""What takes the place of a strategy when upstream's controller migrates."""

PROVIDER_GCP, OURS = "provider-gcp", "dualstack"
"""The Infrastructure controllers of landscape `gardener`."""


@dataclass(frozen=True, slots=True)
class Landscape:
    """`name`: `dualstack` or `gardener`. infrastructure: the Infrastructure controller of landscape `gardener`.

    prepared: `dualstack prepare` runs before the Shoot is edited, and `dualstack finish` afterwards.
    """

    name: str = "dualstack"
    prepared: bool = False
    infrastructure: str = PROVIDER_GCP

    @property
    def gardener(self) -> bool:
        """Whether gardenlet and upstream's extensions run, as actors of the world."""
        return self.name == "gardener"

    @property
    def upstream(self) -> bool:
        """Whether upstream's Infrastructure controller runs instead of the operator's."""
        return self.gardener and self.infrastructure == PROVIDER_GCP

    @property
    def controllers(self) -> tuple[str, ...]:
        """The controllers of the operator; none if no operator runs."""
        if self.gardener:
            return () if self.upstream else ("infrastructure",)
        return CONTROLLERS

    @property
    def of_operator(self) -> str:
        """The landscape as the operator names it."""
        return "gardener" if self.gardener else "standalone"

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

    def describe(self, strategy: str | None) -> str:
        """What migrates, for example "upstream's controller (landscape gardener), prepared and finished"."""
        if not self.upstream:
            return f"strategy {strategy}" + (f" (landscape {self.name})" if self.gardener else "")
        return f"upstream's controller (landscape {self.name})" + (", prepared and finished" if self.prepared else "")

    def world_arguments(self) -> list[str]:
        """The arguments for `dualstack sim serve`."""
        more = [f"--infrastructure={self.infrastructure}"] if self.gardener else []
        return [f"--landscape={self.name}", *more]

    def refuse(self, of_operator: Mapping[str, bool], *, and_back: bool, infrastructure_given: bool) -> None:
        """Raise InvalidInput for options that have no effect here. of_operator: by option, whether it is given."""
        if self.prepared and not self.upstream:
            raise InvalidInput(
                "--prepared: it needs --landscape gardener with --infrastructure provider-gcp; the operator prepares a "
                "cluster itself"
            )
        if infrastructure_given and not self.gardener:
            raise InvalidInput("--infrastructure: it needs --landscape gardener")
        if self.gardener and and_back:
            raise InvalidInput(
                "--and-back: no effect with --landscape gardener, in which gardenlet decides on the way back; omit it"
            )
        if self.upstream and (given := [option for option, present in of_operator.items() if present]):
            raise InvalidInput(
                f"{', '.join(given)}: no effect with --landscape gardener, in which upstream's controller changes the "
                "infrastructure; omit it, or add --infrastructure dualstack"
            )


DUALSTACK = Landscape()

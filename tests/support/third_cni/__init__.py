"""An invented CNI: one module in the product (`product.py`), one in the simulator (`simulator.py`), each registered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dualstack.cni import CNIS
from dualstack_sim.actors.cni import CNIS as SIMULATED
from tests.support.third_cni.product import FLAT
from tests.support.third_cni.simulator import FLAT as SIMULATED_FLAT


@contextmanager
def registered() -> Iterator[None]:
    """Both modules in their registries."""
    CNIS.append(FLAT)
    SIMULATED[SIMULATED_FLAT.daemon_set] = SIMULATED_FLAT
    try:
        yield
    finally:
        CNIS.remove(FLAT)
        del SIMULATED[SIMULATED_FLAT.daemon_set]

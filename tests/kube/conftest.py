"""A real API server for each test, and rehearsals on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.cluster import Cluster
from tests.kube.programs import folder

SERVICES = "100.64.0.0/13"
"""The service range of examples/shoot.yaml."""


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder with etcd, kube-apiserver and kube-controller-manager."""
    return folder()


@pytest.fixture
def cluster(programs: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A new API server without objects, with the service range of the example or of the test's parameter."""
    made = Cluster(programs, tmp_path)
    try:
        made.start(getattr(request, "param", SERVICES))
        yield made
    finally:
        made.stop()

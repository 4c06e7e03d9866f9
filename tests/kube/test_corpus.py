"""The simulated API answers as the real one, but for the differences that docs/simulated-kubernetes.md lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kube import corpus
from tests.kube.cluster import Cluster
from tests.kube.conftest import SERVICES
from tests.kube.corpus_access import ACCESS
from tests.kube.corpus_lifecycle import LIFECYCLE
from tests.kube.corpus_objects import SINGLE_TYPES
from tests.kube.corpus_reading import READING
from tests.kube.servers import answers_of_cluster, answers_of_simulation

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]

PAGE = Path(__file__).parents[2] / "docs" / "simulated-kubernetes.md"


REQUESTS = (*corpus.REQUESTS, *READING, *LIFECYCLE, *SINGLE_TYPES, *ACCESS)


def listed() -> set[str]:
    """The requests in the first column of the table of differences."""
    section = PAGE.read_text(encoding="utf-8").partition("## Differences")[2].partition("Beyond the corpus")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_both_api_servers_answer_alike_but_for_the_listed_differences(cluster: Cluster) -> None:
    real = answers_of_cluster(cluster, REQUESTS)
    simulated = answers_of_simulation(SERVICES, REQUESTS)
    names = [request.name for request in REQUESTS]
    assert len(set(names)) == len(names)
    different = {name for name in names if real[name] != simulated[name]}
    shown = {name: (real[name], simulated[name]) for name in different - listed()}
    assert not shown, shown
    assert listed() - different == set(), "the documentation lists differences that are gone"

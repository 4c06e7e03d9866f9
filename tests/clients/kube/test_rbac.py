"""kubectl on a simulated API with RBAC, as docs/simulated-kubernetes.md shows it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.sim.rehearsal.command import EXAMPLE, ROOT, served

pytestmark = pytest.mark.clients


@pytest.fixture
def kubeconfig() -> Iterator[Path]:
    with served(str(EXAMPLE), "--landscape", "kubeadm", "--nodes", "1", "--speed", "60", "--rbac") as facts:
        yield Path(facts["kubeconfig"])


def kubectl(kubeconfig: Path, command: str) -> subprocess.CompletedProcess[str]:
    """One command line without its first word."""
    words = ["kubectl", "--kubeconfig", str(kubeconfig), *command.split()]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def test_the_commands_of_the_page_make_a_role_and_try_it(kubeconfig: Path, tmp_path: Path) -> None:
    """Given a world with RBAC, when the commands of the page run word for word, then none fails, and the token that the
    last one prints may list Nodes and nothing else."""
    page = (ROOT / "docs/simulated-kubernetes.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    kubectl (.+)$", page.partition("## RBAC")[2].partition("\n## ")[0], re.MULTILINE)
    ended = [kubectl(kubeconfig, command) for command in commands]
    assert [each.stderr for each in ended if each.returncode] == []
    assert re.search(r"^nodes .*\[list\]$", ended[-2].stdout, re.MULTILINE), "auth can-i --list"
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    config["users"][0]["user"]["token"] = ended[-1].stdout.strip()
    reader = tmp_path / "reader"
    reader.write_text(yaml.safe_dump(config), encoding="utf-8")
    assert kubectl(reader, "get nodes").returncode == 0
    refused = kubectl(reader, "get pods --namespace kube-system")
    why = 'cannot list resource "pods" in API group "" in the namespace "kube-system"'
    assert f'pods is forbidden: User "system:serviceaccount:tools:reader" {why}' in refused.stderr
    assert "Unauthorized" in kubectl(reader, "get nodes --token none").stderr

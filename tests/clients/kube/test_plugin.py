"""`kubectl dualstack`: the real kubectl finds the installed plugin and its completion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients


def kubectl(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    return subprocess.run(
        ["kubectl", *arguments], capture_output=True, text=True, check=False, timeout=60, env=environment
    )


def test_kubectl_lists_and_runs_the_plugin() -> None:
    assert "/kubectl-dualstack" in kubectl("plugin", "list").stdout
    shown = kubectl("dualstack", "verify", "--help")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("Usage: kubectl dualstack verify [OPTIONS]")


def test_options_and_exit_status_pass_through_kubectl(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    ended = kubectl("dualstack", "status", "--kubeconfig", str(missing), "--quiet")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert str(missing) in ended.stderr


def test_kubectl_completes_the_commands_of_the_plugin() -> None:
    ended = kubectl("__complete", "dualstack", "verify", "--expect", "dual")
    assert ended.stdout.splitlines() == ["dual-stack", ":4"]

"""The targets of the Makefile install what they need, and only that."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "--no-print-directory", "-C", str(ROOT), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_r9_a_rehearsal_installs_no_requirements_of_the_tests(tmp_path: Path) -> None:
    plan = make("--dry-run", "rehearse", f"VENV={tmp_path}/none").stdout
    assert "--constraint requirements-dev.txt --editable ." in plan
    assert "--requirement" not in plan
    assert "dualstack rehearse examples/shoot.yaml" in plan
    assert "--requirement requirements-dev.txt" in make("--dry-run", "test", f"VENV={tmp_path}/none").stdout


def test_r9_the_installation_shows_its_progress_and_fails_when_pip_fails(tmp_path: Path) -> None:
    """Given stand-ins for Python and pip, when pip prints its lines and fails, then make shows them and fails."""
    stamp = f"{tmp_path}/.run-installed"
    prints = "echo Collecting rich; echo noise; :"
    good = make(stamp, f"VENV={tmp_path}", "PYTHON=true", f"PIP={prints}")
    assert good.returncode == 0, good.stderr
    assert good.stdout.splitlines()[-2:] == [
        f"Installing dualstack and what it needs into {tmp_path} ...",
        "  Collecting rich",
    ]
    Path(stamp).unlink()
    bad = make(stamp, f"VENV={tmp_path}", "PYTHON=true", "PIP=false")
    assert bad.returncode != 0
    assert not Path(stamp).exists()

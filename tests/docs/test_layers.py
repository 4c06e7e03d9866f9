"""Each contract of import-linter holds a rule: an import that breaks the rule breaks the contract."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import ROOT

BREAKS = {
    "layers": ("dualstack/plan/stages.py", "from dualstack.cutover import platform"),
    "core-without-gardener": ("dualstack/cutover/platform.py", "from dualstack.gardener.model import kinds"),
    "pure": ("dualstack/plan/stages.py", "import aiohttp"),
    "product-without-simulator": ("dualstack/gce/gather.py", "from dualstack_sim import chance"),
    "simulator": ("dualstack_sim/chance.py", "from dualstack.plan import stages"),
    "simulated-compute-without-gardener": (
        "dualstack_sim/fabric/feed.py",
        "from dualstack.gardener.model import kinds",
    ),
    "frameworks": ("dualstack/cutover/platform.py", "import lightkube"),
    "kubectl-interface": ("dualstack_sim/kube/storage.py", "from dualstack_sim.kube.kubectl import tables"),
}
"""A module below src and an import that it must not have, for each contract."""


def contracts() -> dict[str, str]:
    """The names of all contracts by id."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    prefix = "importlinter:contract:"
    return {name.removeprefix(prefix): parser[name]["name"] for name in parser.sections() if name.startswith(prefix)}


def test_every_contract_has_an_import_that_breaks_it() -> None:
    assert set(contracts()) == set(BREAKS)


@pytest.mark.parametrize("contract", BREAKS)
def test_a_forbidden_import_breaks_the_contract(contract: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    name, statement = BREAKS[contract]
    module = tmp_path / "src" / name
    module.write_text(f"{module.read_text(encoding='utf-8')}\n{statement}\n", encoding="utf-8")
    linted = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert linted.returncode == 1, linted.stdout
    lines = [line for line in linted.stdout.splitlines() if line.rstrip().endswith("BROKEN")]
    assert any(line.startswith(contracts()[contract][:60]) for line in lines), linted.stdout

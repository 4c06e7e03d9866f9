"""The steps of the Containerfile, in a clean environment and as the user of the pod (docs/install.md#image)."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.generate import ROOT
from tests.deploy.manifests import one

LINES = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
BUILD = LINES[
    : next(number for number, line in enumerate(LINES) if line.startswith("FROM ${PYTHON}") and "AS" not in line)
]


def words(instruction: str, lines: list[str] = LINES) -> list[str]:
    """The arguments of each such instruction."""
    return [line.partition(" ")[2] for line in lines if line.startswith(f"{instruction} ")]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that every user can read, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="dualstack-image-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_x6_the_image_runs_as_the_user_of_the_pod() -> None:
    pod = one("gardener", "Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert words("USER") == [f"{pod['runAsUser']}:{pod['runAsGroup']}"]


def test_x6_every_file_that_the_build_copies_is_in_its_context() -> None:
    allowed = {line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for copy in words("COPY", BUILD) for name in shlex.split(copy)[:-1]}
    assert copied == allowed
    assert (ROOT / ".dockerignore").read_bytes() == (ROOT / ".containerignore").read_bytes()


def as_user(user: str) -> tuple[list[str], str]:
    """The start of a command that runs as this user, and a Python that it can run.

    Without the right to change the user, the present one stands for it. The Python of a developer may be in a folder
    that only its owner can read; then that of the system takes its place, which must have the module venv.
    """
    number, _, group = user.partition(":")
    change = ["setpriv", f"--reuid={number}", f"--regid={group}", "--clear-groups", "env"] if os.geteuid() == 0 else []
    pythons = [sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"]
    check = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    for python in filter(os.path.exists, pythons):
        run = subprocess.run([*change, python, "-c", check], cwd="/", capture_output=True, check=False)
        if run.returncode == 0:
            return change, python
    raise AssertionError(f"user {user} can run none of {', '.join(pythons)}; install python3-venv")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_x6_the_steps_of_the_build_give_a_program_that_another_user_runs(home: Path) -> None:
    """Given only the files that the build copies, when its commands run, then the command of the pod starts as the
    pod's user, in an environment without pip."""
    source, installed = home / "source", home / "dualstack"
    source.mkdir()
    for copy in words("COPY", BUILD):
        *names, _ = shlex.split(copy)
        for name in names:
            whole = (ROOT / name).is_dir()
            shutil.copytree(ROOT / name, source / name) if whole else shutil.copy(ROOT / name, source / name)
    (user,) = words("USER")
    change, python = as_user(user)
    for command in words("RUN", BUILD):
        here = re.sub(r"^python ", f"{python} ", command.replace("/opt/dualstack", str(installed)))
        subprocess.run(here, shell=True, cwd=source, check=True, capture_output=True, text=True, timeout=500)  # noqa: S602
    shutil.rmtree(source)
    (variables,) = words("ENV")
    (path,) = re.findall(r"PATH=(\S+?):", variables)
    environment = {"PATH": f"{path.replace('/opt/dualstack', str(installed))}:/usr/bin:/bin"}
    (container,) = one("gardener", "Deployment")["spec"]["template"]["spec"]["containers"]
    run = subprocess.run(
        [*change, *container["command"], "--help"],
        env=environment,
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert "--landscape" in run.stdout
    assert not list(installed.rglob("site-packages/pip"))

"""The image of the Containerfile (docs/install.md#image), built on a base of Debian's packages: no registry is needed.

Building needs root, buildah and mmdebstrap. Nothing stays behind.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.generate import ROOT
from tests.deploy.manifests import one

LINES = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
SUITE = "bookworm"
"""Debian 12, whose Python is the oldest that the product runs on."""
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
"""Those of this machine: they may include that of a mirror."""
READ_ONLY = (
    'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && mount -t proc proc "$0/proc" && '
    'exec chroot --userspec={user} --groups= "$0" /usr/bin/env -i {variables} "$@"'
)
"""For a shell in mount and PID namespaces of its own: a command in the root file system `$0`, as a pod runs it."""


def run(command: Sequence[str | Path]) -> str:
    """Its standard output; fails with its standard error."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} {command[1]}: {done.stderr[-4000:]}"
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: its root file system and its configuration."""

    root: Path
    config: dict[str, Any]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the image's user, with its variables and a read-only root file system."""
        script = READ_ONLY.format(user=self.config["User"], variables=" ".join(self.config["Env"]))
        namespaces = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", script, str(self.root)]
        return subprocess.run([*namespaces, *command], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    folder = Path(tempfile.mkdtemp(prefix="dualstack-image-"))
    buildah = ["buildah", f"--root={folder}/storage", f"--runroot={folder}/run", "--storage-driver=vfs"]
    try:
        base = run([*buildah, "from", "scratch"])
        run([*buildah, "add", base, debian(folder)])
        run([*buildah, "commit", base, "localhost/python"])
        build = ["bud", "--isolation", "chroot", "--build-arg", "PYTHON=localhost/python"]
        run([*buildah, *build, "--tag", "localhost/dualstack", "--file", "Containerfile", "."])
        container = run([*buildah, "from", "--pull-never", "localhost/dualstack"])
        described = json.loads(run([*buildah, "inspect", "--type", "image", "localhost/dualstack"]))
        yield Image(Path(run([*buildah, "mount", container])), described["OCIv1"]["config"])
    finally:
        subprocess.run([*buildah, "unmount", "--all"], capture_output=True, check=False)
        shutil.rmtree(folder)


def debian(folder: Path) -> Path:
    """An archive with the files of a small Debian that has Python, and uses the certificate authorities of this
    machine."""
    archive, settings = folder / "debian.tar", folder / "pip.conf"
    settings.write_text(f"[global]\ncert = {AUTHORITIES}\n")
    hooks = [f"copy-in {settings} /etc", f"copy-in {AUTHORITIES} {AUTHORITIES.parent}"]
    packages = "--include=python3,python3-venv,python-is-python3,ca-certificates"
    options = ["--variant=minbase", packages, '--aptopt=Acquire::Retries "5"']
    run(["mmdebstrap", *options, *(f"--customize-hook={hook}" for hook in hooks), SUITE, archive])
    return archive


def test_x6_every_file_that_the_build_copies_is_in_its_context() -> None:
    allowed = {line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")}
    copies = [shlex.split(line)[1:-1] for line in LINES if line.startswith("COPY ") and "--from" not in line]
    assert {name for names in copies for name in names} == allowed
    assert (ROOT / ".dockerignore").read_bytes() == (ROOT / ".containerignore").read_bytes()


@pytest.mark.clients
@pytest.mark.timeout(3600)
def test_x6_the_built_image_runs_the_command_of_the_pod(image: Image) -> None:
    """Given the built image, when a user without rights runs it with a read-only root file system, as the pod does,
    then the commands of the product start, and nothing can be written."""
    pod = one("gardener", "Deployment")["spec"]["template"]["spec"]
    assert image.config["User"] == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert image.config["Cmd"] == ["dualstack", "--help"]
    assert image.run("id", "--user").stdout.strip() == str(pod["securityContext"]["runAsUser"])
    assert "Read-only file system" in image.run("touch", "/tmp/x").stderr  # noqa: S108 (in the image)
    shown = image.run("dualstack", "--version")
    assert (shown.stdout, shown.stderr) == (f"dualstack {version('dualstack')}\n", "")
    operator = image.run(*pod["containers"][0]["command"], "--help")
    assert (operator.returncode, operator.stderr) == (0, "")
    assert "--landscape" in operator.stdout
    without = image.run(*pod["containers"][0]["command"], "--kubeconfig=/none")
    assert without.returncode == 2
    assert without.stderr.startswith("dualstack: ")


@pytest.mark.clients
@pytest.mark.timeout(3600)
def test_x6_the_built_image_is_small(image: Image) -> None:
    """docs/install.md#image: under 90 MB beside Python, without what only an installation needs."""
    installed = image.root / "opt" / "dualstack"
    files = [each for each in installed.rglob("*") if each.is_file() and not each.is_symlink()]
    assert sum(each.stat().st_size for each in files) < 90_000_000
    packages = {each.name for each in installed.glob("lib/python3*/site-packages/*")}
    assert packages >= {"dualstack", "aiohttp"}
    assert packages & {"pip", "setuptools", "pkg_resources", "wheel"} == set()

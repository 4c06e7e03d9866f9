"""etcd, kube-apiserver and kube-controller-manager: found through $KUBEBUILDER_ASSETS, or built once into the cache.

`python -m tests.kube.programs` builds them and prints their folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

MODULE = Path(__file__).parent / "go"
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
}


def version() -> str:
    """The version of Kubernetes in go.mod, such as v1.37.2."""
    found = re.search(r"^\tk8s\.io/kubernetes (v\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert found, "go.mod requires k8s.io/kubernetes"
    return found[1]


def cache() -> Path:
    """Where this version is kept between runs."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "dualstack", "kubernetes", version())


def folder(say: Callable[[str], None] = lambda _: None) -> Path:
    """The folder with the three programs. Builds those that are missing, which takes minutes; needs go."""
    if given := os.environ.get("KUBEBUILDER_ASSETS"):
        missing = [name for name in PACKAGES if not Path(given, name).is_file()]
        if missing:
            raise FileNotFoundError(f"$KUBEBUILDER_ASSETS={given}: {', '.join(missing)} missing; unset it, or add them")
        return Path(given)
    kept = cache()
    kept.mkdir(parents=True, exist_ok=True)
    for name, package in PACKAGES.items():
        if not (kept / name).is_file():
            started = time.monotonic()
            say(f"Building {name} {version()} ...")
            _build(package, kept / name)
            say(f"Built {name} in {time.monotonic() - started:.0f} s.")
    return kept


def _build(package: str, target: Path) -> None:
    """Build under another name first: a file of the final name is complete."""
    number = version()
    major, minor, _ = number.removeprefix("v").split(".", 2)
    variables = {"gitVersion": number, "gitMajor": major, "gitMinor": minor}
    stamps = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in variables.items())
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    command = ["go", "build", "-trimpath", "-ldflags", f"-s -w {stamps}", "-o", str(partial), package]
    try:
        subprocess.run(command, cwd=MODULE, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.stdout.write(f"{folder(lambda line: print(line, file=sys.stderr))}\n")  # noqa: T201

"""Input that cannot be used, and an interrupted question: one sentence and the documented exit status; no world."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from dualstack.cli.main import cli
from dualstack.kube.interface import Unauthenticated, Unavailable
from dualstack.model.errors import InvalidInput
from tests.sim.rehearsal.command import dualstack

DEEP = "[" * 100_000
REFUSED = "an input is nested too deeply to be read"


@pytest.mark.parametrize(
    "words",
    [
        ("status", "--kubeconfig"),
        ("plan", "--snapshot"),
        ("report", "--out=unused.html"),
        ("snapshot", "--output=unused.json", "--from"),
    ],
)
def test_an_input_that_is_nested_too_deeply_is_one_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "deep.json"
    file.write_text(DEEP)
    outcome = dualstack(*words, str(file))
    assert (outcome.status, outcome.err) == (2, f"dualstack: {REFUSED}\n")


QUESTION = """
import asyncio
from dualstack.cli.live.change import confirm
async def ask():
    confirm("Go on?", yes=False)
try:
    asyncio.run(ask())
except BaseException as error:
    print(type(error).__name__, flush=True)
"""


def _wait_for_sleep(pid: int) -> None:
    """Until the process waits for input: CPython loses a signal that arrives right before it begins to."""
    asleep = 0
    while asleep < 4:
        time.sleep(0.05)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0


def test_ctrl_c_at_a_question_ends_it_at_once() -> None:
    """An event loop runs, whose own handler of SIGINT would wait for the answer."""
    terminal, given = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", QUESTION], stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            seen = b""
            while b"Go on?" not in seen:
                seen += os.read(process.stderr.fileno(), 100)
            _wait_for_sleep(process.pid)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        assert out == b"Abort\n"
    finally:
        os.close(terminal)
        os.close(given)


def shared_vpc(folder: Path) -> str:
    """A snapshot of a cluster whose VMs are in one project and whose subnet is in another."""
    link = "https://www.googleapis.com/compute/v1/projects/own/zones/europe-west1-b/instances/n1"
    host = "https://www.googleapis.com/compute/v1/projects/host"
    nic = {"network": f"{host}/global/networks/vpc", "subnetwork": f"{host}/regions/europe-west1/subnetworks/nodes"}
    node = {"metadata": {"name": "n1"}, "spec": {"providerID": "gce://own/europe-west1-b/n1"}}
    document = {
        "schema": "dualstack.snapshot/v1",
        "project": "own",
        "compute": {"zones/europe-west1-b/instances/n1": {"name": "n1", "selfLink": link, "networkInterfaces": [nic]}},
        "lists": ["zones/europe-west1-b/instances"],
        "kubernetes": {"v1/Node": [node], "v1/Pod": [], "v1/ConfigMap": []},
        "kinds": ["v1/Node", "v1/Pod", "v1/ConfigMap"],
    }
    file = folder / "shared.json"
    file.write_text(json.dumps(document))
    return str(file)


@pytest.mark.parametrize("command", ["rehearse", "sim serve", "preflight", "plan"])
def test_a_cluster_in_a_shared_vpc_is_refused_before_anything_starts(command: str, tmp_path: Path) -> None:
    ended = CliRunner().invoke(cli, [*command.split(), "--snapshot", shared_vpc(tmp_path)])
    assert str(ended.exception) == (
        "the subnet of the nodes is in project host, and their VMs are in own: a cluster in a Shared VPC is not "
        "supported, because its routes and ranges belong to the host project; it needs nodes in a network of project "
        "own"
    )
    assert ended.output == ""


@pytest.mark.parametrize("command", ["rehearse", "sim serve"])
def test_half_a_snapshot_is_refused_before_anything_starts(command: str, tmp_path: Path) -> None:
    file = tmp_path / "half.json"
    file.write_text('{"schema": "dualstack.snapshot/v1", "compute": {')
    ended = CliRunner().invoke(cli, [*command.split(), "--snapshot", str(file)])
    assert isinstance(ended.exception, InvalidInput)
    assert "not JSON: Input data was truncated; write it with `dualstack snapshot -o FILE`" in str(ended.exception)
    assert ended.output == ""


def test_an_error_in_a_pipe_is_one_line() -> None:
    outcome = dualstack("status", "--kubeconfig", missing := f"/{'folder/' * 20}kubeconfig")
    assert outcome.status == 2
    (line,) = outcome.err.splitlines()
    assert missing in line


def kubeconfig(folder: Path, user: str, server: str = "http://127.0.0.1:9") -> str:
    file = folder / "kubeconfig"
    file.write_text(
        "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: s, user: u}}], "
        f"clusters: [{{name: s, cluster: {{server: '{server}'}}}}], users: [{{name: u, user: {user}}}]}}"
    )
    return str(file)


@pytest.mark.parametrize("command", [["status"], ["prepare", "--yes"]])
def test_an_exec_plugin_that_fails_ends_the_command_with_its_own_words(command: list[str], tmp_path: Path) -> None:
    plugin = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: [-c, 'echo log in >&2; exit 3']}}"
    ended = CliRunner().invoke(cli, [*command, "--kubeconfig", kubeconfig(tmp_path, plugin)])
    assert isinstance(ended.exception, Unauthenticated)
    assert str(ended.exception) == "credentials of the kubeconfig: exec plugin sh returned 3: log in"
    assert ended.output == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prepare", "--accept", "aliases-matched"], "no finding has this id; did you mean alias-matched?"),
        (["migrate", "--accept", "banana"], "--accept banana: no finding has this id"),
        (["status", "--compute-endpoint", "banana"], "'banana' is not a URL that begins with https:// or http://"),
        (["prepare", "--traffic", "--prober-image", "i", "--internet", "x"], "--internet x: not ADDRESS:PORT"),
        (["status", "--kubeconfig", "{pod}"], "not a kubeconfig: its kind is Pod; check it with `kubectl config"),
        (["plan", "--snapshot", "{snapshot}", "--pod-cidr", "x"], "--pod-cidr x: it has no IPv4 range"),
        (["report", "{pod}", "--out", "unused.html"], "it is not a JSON document: "),
        (
            ["trial", "--project", "p", "--cleanup", "--credentials", "{key}"],
            "pass the file that it writes, or pass the key of a service account",
        ),
    ],
)
def test_an_option_that_cannot_be_used_is_named_with_what_to_do(words: list[str], said: str, tmp_path: Path) -> None:
    pod, key = tmp_path / "pod.yaml", tmp_path / "key.json"
    pod.write_text("{apiVersion: v1, kind: Pod, metadata: {name: x}}")
    key.write_text('{"type": "authorized_user"}')
    snapshot = tmp_path / "snapshot.json"
    document = json.loads(Path(shared_vpc(tmp_path)).read_text().replace("projects/host", "projects/own"))
    document["compute"]["regions/europe-west1/subnetworks/nodes"] = {"name": "nodes", "ipCidrRange": "10.0.0.0/16"}
    snapshot.write_text(json.dumps(document))
    files = {"pod": pod, "key": key, "snapshot": snapshot}
    outcome = dualstack(*(word.format(**files) for word in words))
    assert outcome.status == 2
    assert said in outcome.err, outcome.err


def test_an_api_server_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    ended = CliRunner().invoke(cli, ["status", "--kubeconfig", kubeconfig(tmp_path, "{token: t}")])
    assert isinstance(ended.exception, Unavailable)
    assert "check that this machine reaches http://127.0.0.1:9, the server of the kubeconfig" in str(ended.exception)

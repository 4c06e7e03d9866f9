"""Invalid input is refused before anything starts: every error with its field, in Gardener's words, all together."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from dualstack.cli.rehearse import rehearse
from dualstack.cli.sim import serve
from dualstack.model.errors import InvalidInput
from tests.sim.rehearsal.command import EXAMPLE, dualstack

Edit = Callable[[dict[str, Any]], None]


def shoot_with(edit: Edit, folder: Path) -> Path:
    shoot = yaml.safe_load(EXAMPLE.read_text())
    edit(shoot)
    path = folder / "shoot.yaml"
    path.write_text(yaml.safe_dump(shoot))
    return path


def refusal(*arguments: str) -> tuple[str, ...]:
    """The faults for which the command line is refused; it must start nothing and so be quick by itself."""
    outcome = CliRunner().invoke(rehearse, list(arguments))
    assert isinstance(outcome.exception, InvalidInput), outcome.output
    return outcome.exception.faults


def networking(**values: Any) -> Edit:
    return lambda shoot: shoot["spec"]["networking"].update(values)


CASES: dict[str, tuple[Edit, str]] = {
    "provider": (lambda shoot: shoot["spec"]["provider"].update(type="aws"), "spec.provider.type"),
    "kind": (lambda shoot: shoot.update(kind="Seed"), "Shoot"),
    "no nodes": (
        lambda shoot: shoot["spec"]["networking"].pop("nodes"),
        "spec.networking.nodes: Required value: a nodes CIDR must be provided for GCP shoots",
    ),
    "overlay": (
        networking(providerConfig={"overlay": {"enabled": True}}),
        "overlay must be set to false in conjunction with IPv6",
    ),
    "IPv6 only": (networking(ipFamilies=["IPv6"]), "IPv6 single-stack networking is not supported"),
    "IPv6 first": (networking(ipFamilies=["IPv6", "IPv4"]), "spec.networking.ipFamilies"),
    "overlap": (networking(services="100.96.0.0/16"), "spec.networking"),
    "not canonical": (networking(pods="100.96.0.1/11"), "spec.networking.pods"),
    "pods too small": (networking(pods="100.96.0.0/23"), "spec.networking.pods"),
    "workerless": (lambda shoot: shoot["spec"]["provider"].update(workers=[]), "spec.provider.workers"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused_with_field_and_words(name: str, tmp_path: Path) -> None:
    edit, words = CASES[name]
    faults = refusal(str(shoot_with(edit, tmp_path)))
    assert any(words in fault for fault in faults), faults


def test_several_errors_are_reported_together(tmp_path: Path) -> None:
    together = ("no nodes", "not canonical", "overlay", "pods too small")

    def edit(shoot: dict[str, Any]) -> None:
        for name in together:
            CASES[name][0](shoot)

    faults = refusal(str(shoot_with(edit, tmp_path)))
    for name in together:
        assert any(CASES[name][1] in fault for fault in faults), (name, faults)


@pytest.mark.parametrize("text", ["a: [", "", "- 1", "just words", "a: 1\n---\nb: 2"])
def test_a_file_without_a_shoot_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "shoot.yaml"
    path.write_text(text)
    assert str(path) in refusal(str(path))[0]


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shoot.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in refusal(str(path))[0]


def test_a_yaml_error_has_its_position(tmp_path: Path) -> None:
    path = tmp_path / "shoot.yaml"
    path.write_text("kind: Shoot\nspec: [1\nb: 2\n")
    assert refusal(str(path)) == (f"{path}: not YAML: line 3, column 2: expected ',' or ']', but got ':'",)


def test_a_file_too_large_for_kubernetes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "shoot.yaml"
    path.write_text("a" * (3 * 1024 * 1024 + 1))
    assert "larger than 3 MiB" in refusal(str(path))[0]


@pytest.mark.slow
def test_a_shoot_from_a_pipe() -> None:
    outcome = dualstack("rehearse", "/dev/stdin", "--nodes", "1", "--speed", "600", given=EXAMPLE.read_text())
    assert (outcome.status, "succeeded" in outcome.out) == (0, True)


def test_more_nodes_than_the_pod_range_has_blocks(tmp_path: Path) -> None:
    path = shoot_with(networking(pods="100.96.0.0/19"), tmp_path)
    assert "spec.networking.pods" in refusal(str(path), "--nodes", "40")[0]


def test_a_shoot_that_is_dual_stack_already(tmp_path: Path) -> None:
    faults = refusal(str(shoot_with(networking(ipFamilies=["IPv4", "IPv6"]), tmp_path)))
    assert "a rehearsal starts from an IPv4-only Shoot" in faults[0]


@pytest.mark.parametrize("speed", ["nan", "inf", "0", "-1", "1e300", "fast"])
def test_a_speed_at_which_nothing_can_run(speed: str) -> None:
    outcome = CliRunner().invoke(rehearse, [str(EXAMPLE), "--speed", speed])
    assert (outcome.exit_code, "Invalid value for '--speed'" in outcome.output) == (2, True)


def test_rbac_is_for_the_simulated_api() -> None:
    outcome = CliRunner().invoke(serve, [str(EXAMPLE), "--rbac", "--kubernetes", "https://127.0.0.1:6443"])
    assert (outcome.exit_code, "a real API server has its own authorization" in outcome.output) == (2, True)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("dualstack.dev/stratgy", "auto", "no such annotation; did you mean dualstack.dev/strategy?"),
        ("dualstack.dev/decoys", "maybe", '"maybe": supported values: "true", "false"'),
        ("dualstack.dev/cut-over", "back", "would keep the cluster on its routes; remove it"),
        ("dualstack.dev/enabled", "false", "would make the operator leave the Shoot alone; remove it"),
        ("shoot.gardener.cloud/ignore", "true", "it has the annotation shoot.gardener.cloud/ignore"),
    ],
)
def test_p08_annotations_with_which_no_rehearsal_ends_well_are_refused(
    name: str, value: str, says: str, tmp_path: Path
) -> None:
    annotated = shoot_with(lambda shoot: shoot["metadata"].update(annotations={name: value}), tmp_path)
    assert says in refusal(str(annotated))[0]


def test_an_unknown_step_to_kill_at() -> None:
    assert "add-aliases" in refusal(str(EXAMPLE), "--kill-at", "lunch")[0]


def test_a_step_of_the_way_back_without_one() -> None:
    assert "needs --and-back" in refusal(str(EXAMPLE), "--kill-at", "back:update-kube-dns")[0]


def test_a_fault_file_with_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("faults:\n  - {method: routes.delete, nth: 0}\n")
    assert f"{path}:2: faults[0]" in refusal(str(EXAMPLE), "--faults", str(path))[0]


def test_r10_errors_go_to_standard_error_and_into_json_with_status_2(tmp_path: Path) -> None:
    outcome = dualstack("rehearse", str(shoot_with(CASES["overlay"][0], tmp_path)), "--output", "json")
    assert outcome.status == 2
    assert outcome.result["result"] == "refused"
    assert [f"dualstack: {fault}" for fault in outcome.result["faults"]] == outcome.err.splitlines()
    assert outcome.err.startswith("dualstack: ")
    assert "Traceback" not in outcome.err


def test_r10_a_refused_snapshot_is_a_document_too(tmp_path: Path) -> None:
    (tmp_path / "snapshot.json").write_text("{}", encoding="utf-8")
    outcome = dualstack("rehearse", "--snapshot", str(tmp_path / "snapshot.json"), "--output", "json")
    assert (outcome.status, outcome.result["result"]) == (2, "refused")
    assert "must be 'dualstack.snapshot/v1'" in outcome.result["faults"][0]


@pytest.mark.parametrize("output", [["--output", "json"], ["-o", "yaml"], ["-ojson"]])
def test_r10_a_command_line_that_cannot_be_parsed_is_a_document_too(output: list[str]) -> None:
    outcome = dualstack("rehearse", str(EXAMPLE), *output, "--speed", "fast")
    ending = yaml.safe_load(outcome.out)
    assert (outcome.status, ending["result"]) == (2, "refused")
    assert "--speed" in ending["reason"]


def test_r10_too_little_space_for_the_logs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    (fault,) = refusal(str(EXAMPLE))
    assert "1024 KiB are free; a rehearsal needs 16 MiB for its logs: free some, or set TMPDIR" in fault


def test_r10_no_temporary_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    assert "No space left on device" in refusal(str(EXAMPLE))[0]


def test_r10_the_shoot_may_come_from_standard_input(tmp_path: Path) -> None:
    text = shoot_with(CASES["overlay"][0], tmp_path).read_text()
    outcome = dualstack("rehearse", "-", given=text)
    assert outcome.status == 2
    assert outcome.err.startswith("dualstack: -: spec.networking.providerConfig")


def test_r4_what_the_simulated_cloud_refuses_is_refused_input(tmp_path: Path) -> None:
    def edit(shoot: dict[str, Any]) -> None:
        shoot["spec"]["provider"]["workers"][0]["machine"]["type"] = "n1 standard"

    outcome = dualstack("rehearse", str(shoot_with(edit, tmp_path)), "--output", "json")
    assert (outcome.status, outcome.result["result"]) == (2, "refused")
    assert "the simulated cloud refuses the cluster: Invalid value for field" in outcome.result["reason"]
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("{method: routes.remove, latency: 1}", "faults[0].method: 'routes.remove' is no method"),
        ('{method: "*.remove", latency: 1}', "faults[0].method: '*.remove' is no method"),
        ("{method: routes.list, pending: 5}", "faults[0]: pending is not possible for routes.list"),
        ("{deny: compute.routes.creat}", "faults[0].deny: 'compute.routes.creat' is no permission"),
        ("{method: routes.insert, stale: 5}", "faults[0]: stale is not possible for routes.insert"),
    ],
)
def test_r5_a_fault_that_can_never_happen_is_refused(rule: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(f"faults:\n  - {rule}\n")
    assert words in refusal(str(EXAMPLE), "--faults", str(path))[0]


def test_r3_more_nodes_than_can_be_rehearsed_in_an_hour_are_refused() -> None:
    (fault,) = refusal(str(EXAMPLE), "--nodes", "2000")
    assert fault.startswith("--nodes 2000: a rehearsal would take longer than 1 h; the largest possible number is ")


def test_p36_names_that_become_too_long_for_a_vm_are_refused(tmp_path: Path) -> None:
    def edit(shoot: dict[str, Any]) -> None:
        shoot["status"] = {"technicalID": "shoot--" + "p" * 29}
        shoot["spec"]["provider"]["workers"][0]["name"] = "w" * 15

    outcome = dualstack("rehearse", str(shoot_with(edit, tmp_path)), "--output", "json")
    assert (outcome.status, outcome.result["result"]) == (2, "refused")
    assert "resource.name" in outcome.result["reason"]
    assert "Traceback" not in outcome.err


def test_unknown_fields_are_refused_as_the_garden_refuses_them(tmp_path: Path) -> None:
    def edit(shoot: dict[str, Any]) -> None:
        shoot["spec"]["someday"] = {"a": 1}
        shoot["spec"]["networking"]["tomorrow"] = True

    faults = refusal(str(shoot_with(edit, tmp_path)))
    for field in ("spec.someday", "spec.networking.tomorrow"):
        assert any(f"{field}: Forbidden: unknown field" in fault for fault in faults), faults

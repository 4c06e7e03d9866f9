"""Completion of the command line, for three shells and for kubectl."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


def run(program: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [BIN / program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env={**os.environ, **environment},
    )
    return done.stdout


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", "complete -o nosort -F _dualstack_completion dualstack"),
        ("zsh", "#compdef dualstack"),
        ("fish", "complete --no-files --command dualstack"),
    ],
)
def test_there_is_a_script_for_the_shell(shell: str, words: str) -> None:
    script = run("dualstack", "completion", shell)
    assert words in script
    assert f"_DUALSTACK_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize(
    ("words", "candidates"),
    [
        ("dualstack ver", "plain,verify"),
        ("dualstack verify --expect pre", "plain,prepared"),
        ("dualstack sim r", "plain,rules"),
    ],
)
def test_what_the_script_of_bash_calls_answers(words: str, candidates: str) -> None:
    count = str(len(words.split()) - 1)
    out = run("dualstack", COMP_WORDS=words, COMP_CWORD=count, _DUALSTACK_COMPLETE="bash_complete")
    assert out.splitlines() == [candidates]


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["verify", "--expect", "p"], ["prepared", ":4"]),
        (["verify", "--kubeconfig", ""], [":0"]),
        (["prep"], ["prepare\tPrepare a running IPv4 cluster: overlap...", ":4"]),
        ([], None),
    ],
)
def test_what_kubectl_calls_answers(arguments: list[str], lines: list[str] | None) -> None:
    found = run("kubectl_complete-dualstack", *arguments).splitlines()
    if lines is None:
        assert {"verify", "status", "prepare"} <= {line.partition("\t")[0] for line in found}
    else:
        assert found == lines

"""docs/commands.md describes every command: its options, formats and documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from dualstack.cli.live.options import Target
from dualstack.cli.live.outcome import Outcome
from dualstack.cli.live.status import Status
from dualstack.cli.live.verify import Verification
from dualstack.cli.main import cli
from dualstack.trial.document import Trial

DOCS = Path(__file__).parents[2] / "docs"
SHARED = {f"--{name.replace('_', '-')}" for name in Target.__slots__}


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Each command that does something by itself, with its words."""
    for name, command in group.commands.items():
        words = f"{path} {name}".strip()
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield words, command
        if isinstance(command, click.Group):
            yield from commands(command, words)


def sections() -> dict[str, str]:
    """The text below each heading of a command, by the words of the command."""
    parts = re.split(r"^## ", (DOCS / "commands.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for part in parts:
        if part.startswith("dualstack "):
            title, _, body = part.partition("\n")
            found[" ".join(word for word in title.split()[1:] if word.islower())] = body
    return found


COMMANDS = dict(commands(cli))
SECTIONS = sections()


def visible(command: click.Command) -> list[click.Option]:
    return [option for option in command.params if isinstance(option, click.Option) and not option.hidden]


def test_every_command_has_a_section() -> None:
    assert list(SECTIONS) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_names_the_options_and_formats_of_its_command(name: str) -> None:
    section = SECTIONS[name]
    documented = "\n".join(re.findall(r"^(?:- options:|\|) (.*)$", section, re.MULTILINE))  # in a line or a table
    named = set(re.findall(r"`(--[a-z-]+)", documented))
    options = {max(option.opts, key=len) for option in visible(COMMANDS[name])}
    shared = options & SHARED if "cluster options" in documented else set()
    assert named | shared == options
    assert not named & shared
    formats = [
        option.type.choices
        for option in visible(COMMANDS[name])
        if option.name == "output" and isinstance(option.type, click.Choice)
    ]
    (words,) = re.findall(r"^- formats: (.*)$", section, re.MULTILINE)
    assert words.split(", ") == (list(formats[0]) if formats else ["one"])
    assert re.search(r"^- exit status: 0", section, re.MULTILINE) or "as `" in section
    assert "- document: " in section


SILENT = ("preflight diff", "report", "completion", "sim rules")
"""Commands that show no progress."""
SERVERS = ("operator", "prober", "sim serve", "sim compute")
"""Processes that run until they are ended."""


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {*SILENT, *SERVERS}))
def test_every_command_that_shows_progress_can_be_quiet(name: str) -> None:
    words = {word for option in visible(COMMANDS[name]) for word in option.opts}
    assert {"-q", "--quiet", "-o", "--output"} <= words


@pytest.mark.parametrize(
    ("name", "document"), [("verify", Verification), ("status", Status), ("change", Outcome), ("trial", Trial)]
)
def test_the_published_schema_is_that_of_the_document(name: str, document: type[Any]) -> None:
    """To publish a changed document: write `generated` to the file, and see that fields were only added."""
    generated = msgspec.json.format(msgspec.json.encode(msgspec.json.schema(document)), indent=2).decode() + "\n"
    assert (DOCS / f"schemas/{name}-v1.json").read_text(encoding="utf-8") == generated

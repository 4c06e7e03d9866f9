"""Every citation leads to a place in the repository that a reader can open."""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pages import ROOT, anchors

CITED = re.compile(r"(?<![\w/.])docs/[\w./-]+?\.md(?:#[\w-]+)?")
UNREACHABLE = re.compile(
    r"\bcompute-api\.md|\bgardener-behaviour\.md|(?<![\w/-])cutover\.md|\bfield\.md|(?<!/)\bDESIGN\.md|\bGB \d"
)
"""Documents that are not in the repository."""
BARE_NUMBER = re.compile(r"(?<!\w)\((?:\d{1,2}\.\d{1,2})(?:\)|[,;] \w| steps? | #)|(?<![\w#/.-])[RWE]\d{1,2}\b(?!\])")
"""A section or rule by its number alone, such as (4.2) or R5."""


def tracked() -> list[Path]:
    """The text files of the repository: those that git tracks, else all that a source distribution has."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=False
    ).stdout.split("\0")
    found = [ROOT / name for name in listed if name] or [
        path for folder in ("src", "tests", "docs") for path in (ROOT / folder).rglob("*.*")
    ]
    return [path for path in found if path.suffix in (".py", ".md", ".toml", ".yaml") and path.is_file()]


def test_every_cited_anchor_exists() -> None:
    broken = []
    for path in tracked():
        for citation in CITED.findall(path.read_text(encoding="utf-8")):
            page, _, anchor = citation.partition("#")
            target = ROOT / page
            if not target.is_file() or (anchor and anchor not in anchors(target)):
                broken.append(f"{path.relative_to(ROOT)}: {citation}")
    assert broken == []


@pytest.mark.parametrize("pattern", [UNREACHABLE, BARE_NUMBER], ids=["unreachable document", "bare number"])
def test_r11_nothing_cites_what_a_reader_cannot_open(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked()
        if path.parent != ROOT / "docs/reference" and path.name != Path(__file__).name
        if pattern.search(path.read_text(encoding="utf-8"))
        for number, line in prose(path)
        if pattern.search(line)
    ]
    assert found == []


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a page, without the code that accepted.toml quotes; of a module, the lines of its comments and
    strings. With their numbers."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        code = ("was = ", "becomes = ") if path.name == "accepted.toml" else ()
        yield from (entry for entry in enumerate(content.splitlines(), 1) if not entry[1].startswith(code))
        return
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT or tokenize.tok_name[token.type] in ("STRING", "FSTRING_MIDDLE"):
            yield from enumerate(token.string.splitlines(), token.start[0])

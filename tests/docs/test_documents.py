"""README.md and docs: links lead somewhere, and options, knobs, steps, Events and annotations are documented."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from dualstack.cli.operator import operator
from dualstack.cli.rehearse import rehearse
from dualstack.cli.sim import compute
from dualstack.model.events import STEPS
from dualstack.plan.settings import Settings
from dualstack.plan.strategies import AUTO, STRATEGIES
from dualstack_sim.rules.profiles import KNOBS, PROFILES

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    content = page.read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.*)$", content, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return slugs | set(re.findall(r'<a id="([^"]+)"', content))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", page.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        if not path.startswith("http"):
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_every_option_of_the_simulated_compute_engine_is_documented() -> None:
    options = {option.opts[0] for option in compute.params if isinstance(option, click.Option) and not option.hidden}
    assert {option for option in options if f"`{option}" not in text("docs/simulated-compute.md")} == set()


def test_every_knob_is_documented_with_its_values() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text("docs/simulated-compute.md").split("\n")
    ]
    documented = {
        cells[0].split("`")[1]: [cell.split()[0] for cell in cells[2:]]
        for cells in rows
        if len(cells) == 5 and "`" in cells[0]
    }
    order = ("documented", "pessimistic", "optimistic")
    assert documented == {knob.name: [PROFILES[profile][knob.name] for profile in order] for knob in KNOBS}


def test_every_step_and_every_event_is_documented() -> None:
    page = text("docs/objects.md")
    assert {step for step in STEPS if f"`{step}`" not in page} == set()
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src/dualstack/gardener/controllers").rglob("*.py")]
    calls = (found for source in sources for found in re.findall(r"(?:announce|_tell)\((?s:(.*?))\n\n", source))
    reasons = {reason for call in calls for reason in re.findall(r'"([A-Z][a-z]+(?:[A-Z][A-Za-z0-9]+)+)"', call)}
    assert len(reasons) >= 9
    assert {reason for reason in reasons if f"`{reason}`" not in page} == set()


def test_every_annotation_of_ours_is_documented() -> None:
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "src/dualstack").rglob("*.py"))
    ours = {name for source in sources for name in re.findall(r'= "(dualstack\.dev/[a-z-]+)"', source)}
    assert len(ours) >= 6
    assert {name for name in ours if f"`{name}" not in text("docs/objects.md")} == set()


@pytest.mark.parametrize(
    ("anchor", "setting"),
    [
        ("barrier-flag", "barrier_flag"),
        ("barrier-range-canary", "barrier_range_canary"),
        ("barrier-range", "barrier_range"),
        ("barrier-alias-canary", "barrier_canary"),
        ("soak", "soak_aliases"),
        ("barrier-route-canary", "barrier_route_canary"),
        ("barrier-routes", "barrier_routes"),
    ],
)
def test_barriers_have_their_documented_length(anchor: str, setting: str) -> None:
    row = re.search(rf'<a id="{anchor}"></a>[^|]*\| (\d+) s \|', text("docs/reference/cut-over.md"))
    assert row is not None
    assert getattr(Settings(), setting) == float(row[1])


def test_the_commands_offer_every_strategy() -> None:
    for command in (rehearse, operator):
        (option,) = [option for option in command.params if option.name == "strategy"]
        assert isinstance(option.type, click.Choice)
        assert set(option.type.choices) == {*STRATEGIES, AUTO}

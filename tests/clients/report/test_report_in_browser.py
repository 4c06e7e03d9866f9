"""The page of `dualstack report` in Chromium: on a wide and a narrow screen, and printed."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dualstack.cli.html.documents import article_of
from dualstack.cli.html.page import render

pytestmark = pytest.mark.clients

DOCUMENTS = Path(__file__).parents[2] / "data" / "documents"

MEASURE = """
<script>
const luminance = text => {
  const [r, g, b] = text.match(/[0-9.]+/g).map(Number).map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const background = element => {
  for (let each = element; each; each = each.parentElement) {
    const found = getComputedStyle(each).backgroundColor;
    if (!found.startsWith("rgba(0, 0, 0, 0")) return found;
  }
  return "rgb(255, 255, 255)";
};
const contrast = element => {
  const both = [luminance(getComputedStyle(element).color), luminance(background(element))].sort((a, b) => b - a);
  return (both[0] + 0.05) / (both[1] + 0.05);
};
const elements = [...document.body.querySelectorAll("*")].filter(each =>
  [...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()) && each.tagName !== "SCRIPT");
const outside = [...document.querySelectorAll(".bar, .segment")].filter(bar => {
  const [inner, outer] = [bar.getBoundingClientRect(), bar.parentElement.getBoundingClientRect()];
  return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.width < 1;
});
const blocks = [...document.querySelectorAll("ul.strip li")].map(each => each.getBoundingClientRect());
const overlapping = blocks.filter((one, index) => blocks.slice(index + 1).some(other =>
  one.left < other.right - 1 && other.left < one.right - 1
  && one.top < other.bottom - 1 && other.top < one.bottom - 1));
const facts = {
  width: document.documentElement.clientWidth,
  scrollWidth: document.documentElement.scrollWidth,
  bars: document.querySelectorAll(".bar").length,
  segments: document.querySelectorAll(".segment").length,
  outside: outside.length,
  blocks: blocks.length,
  overlapping: overlapping.length,
  contrast: Math.min(...elements.map(contrast)),
  smallest: Math.min(...elements.map(each => parseFloat(getComputedStyle(each).fontSize))),
  requests: performance.getEntriesByType("resource").length,
};
document.body.innerHTML = "<pre id=facts></pre>";
document.getElementById("facts").textContent = JSON.stringify(facts);
</script>
"""


def chromium(*arguments: str) -> str:
    """Run the browser without a display and without a network."""
    program = shutil.which("chromium")
    assert program, "chromium is not installed: apt-get install chromium"
    done = subprocess.run(
        [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=90,
    )
    return done.stdout


@pytest.fixture(scope="module")
def page() -> str:
    """A page with every kind of document, and a strip of many nodes in every state."""
    documents = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DOCUMENTS.glob("*.json"))}
    paths = ["route", "route and alias", "alias", "none", "alias"]
    documents["verify"]["nodes"] = [
        {
            "name": f"shoot--foo--bar-worker-{number:03}-z1-5d4c6-abcde",
            "zone": "europe-west1-b",
            "podCidr": f"100.96.{number}.0/24",
            "path": paths[number % 5],
            "dualStack": number % 5 == 4,
        }
        for number in range(60)
    ]
    return render([article_of(json.dumps(each).encode(), name) for name, each in documents.items()])


def measured(page: str, folder: Path, width: int) -> dict[str, Any]:
    file = folder / "report.html"
    file.write_text(page.replace("</body>", f"{MEASURE}</body>"), encoding="utf-8")
    shown = chromium(f"--window-size={width},900", "--dump-dom", file.as_uri())
    (found,) = re.findall(r'<pre id="facts">(.*?)</pre>', shown)
    facts: dict[str, Any] = json.loads(html.unescape(found))
    return facts


@pytest.mark.parametrize("width", [1280, 520])
def test_the_page_fits_the_screen_and_can_be_read(page: str, tmp_path: Path, width: int) -> None:
    facts = measured(page, tmp_path, width)
    assert facts["scrollWidth"] <= facts["width"]
    assert facts["bars"] >= 14
    assert facts["segments"] >= 12
    assert facts["outside"] == 0
    assert (facts["blocks"], facts["overlapping"]) == (60, 0)
    assert facts["contrast"] >= 4.5  # WCAG 2.2, level AA
    assert facts["smallest"] >= 12
    assert facts["requests"] == 0


def test_the_measurement_notices_faults(page: str, tmp_path: Path) -> None:
    """Given a page with a wide element, pale words and a bar that leaves its track, then each is measured."""
    spoilt = page.replace(
        "</style>",
        ".bar { margin-left: 90% !important; width: 50% !important; } h1 { color: #ccc; width: 3000px; }</style>",
    )
    facts = measured(spoilt, tmp_path, 1280)
    assert facts["scrollWidth"] > facts["width"]
    assert facts["outside"] == facts["bars"]
    assert facts["contrast"] < 4.5


def test_the_page_prints_with_everything_on_it(page: str, tmp_path: Path) -> None:
    """Each document begins on a sheet of its own, no sheet is empty, and no word is cut off."""
    file, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    file.write_text(page, encoding="utf-8")
    chromium("--no-pdf-header-footer", f"--print-to-pdf={printed}", file.as_uri())
    text = subprocess.run(
        ["pdftotext", "-raw", str(printed), "-"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    sheets = text.split("\f")[:-1]
    assert all(sheet.strip() for sheet in sheets)
    titles = [html.unescape(title) for title in re.findall(r"<h1>(.*?)</h1>", page)]
    firsts = [sheet.strip().splitlines()[0].strip() for sheet in sheets]
    assert [first for first in firsts if first in titles] == titles
    words = "".join(text.split())
    for cell in re.findall(r"<t[hd][^>]*>([^<]+)</t[hd]>", page):
        assert "".join(html.unescape(cell).split()) in words or len(cell) > 40, cell

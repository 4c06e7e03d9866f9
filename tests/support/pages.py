"""The pages of the documentation and their anchors."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def anchors(page: Path) -> frozenset[str]:
    """The headings of a page as GitHub links to them, and its explicit anchors."""
    content = page.read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.*)$", content, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return frozenset(slugs | set(re.findall(r'<a id="([^"]+)"', content)))

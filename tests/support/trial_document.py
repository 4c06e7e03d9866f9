"""Documents of `dualstack trial` with chosen answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dualstack.trial.document import Fact, Trial, encode


def document(*facts: Mapping[str, str]) -> Trial:
    """The document of a trial with these answers, one fact each."""
    return Trial(
        id="0123abcd",
        version="0.1.0",
        started_at="2026-11-29T00:10:00Z",
        ended_at="2026-11-29T00:40:00Z",
        region="europe-west1",
        zones=("europe-west1-b",),
        machine_type="e2-micro",
        facts=tuple(
            Fact(id=f"T{number}", question="?", experiment="e", answer="a", knobs=dict(knobs))
            for number, knobs in enumerate(facts, 1)
        ),
    )


def written(folder: Path, *facts: Mapping[str, str], **changes: Any) -> str:
    """The path of a document with these answers, one fact each, and with some of its fields changed."""
    path = folder / "trial.json"
    content = msgspec.json.decode(encode(document(*facts))) | changes
    path.write_bytes(msgspec.json.encode(content))
    return str(path)

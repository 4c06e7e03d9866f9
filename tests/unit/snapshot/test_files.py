"""What is no list of resources is no snapshot."""

from __future__ import annotations

from pathlib import Path

import pytest

from dualstack.model.errors import InvalidInput
from dualstack.snapshot.files import from_files


@pytest.mark.parametrize("content", ["[]", '{"apiVersion": "v1", "kind": "List", "items": []}'])
def test_an_empty_list_is_refused_in_one_sentence(content: str, tmp_path: Path) -> None:
    file = tmp_path / "routers.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInput) as refused:
        from_files([file])
    assert refused.value.faults == (f"{file}: the list is empty and does not show of what; leave the file out",)

"""A result that cannot be written names its file, and leaves the one before as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from dualstack.cli.live import trial
from dualstack.streams import OutputLost, write_result


def test_p11_a_full_disk_names_the_file_and_not_standard_output() -> None:
    with pytest.raises(OutputLost, match=r"^/dev/full cannot be written: No space left on device$"):
        write_result(Path("/dev/full"), b"x")


def test_p11_a_file_is_replaced_by_a_whole_one_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "result"
    write_result(file, b"first")

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as stream:
            stream.write(content[:1])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputLost, match="No space left"):
            write_result(file, b"second")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("result", b"first")]
    write_result(file, b"second")
    assert file.read_bytes() == b"second"


def test_p11_the_document_of_a_trial_is_printed_where_its_file_cannot_be_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(OutputLost, match="/dev/full"):
        trial._write(Path("/dev/full"), b'{"of": "a trial"}\n')
    assert capsys.readouterr().out == '{"of": "a trial"}\n'

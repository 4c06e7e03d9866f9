"""What a rehearsal records of the operator's events."""

from __future__ import annotations

from dualstack.cli.rehearsal.record import Record
from dualstack.model.events import Notice


def test_r6_a_notice_before_the_edit_of_the_shoot_has_the_time_of_the_edit() -> None:
    record = Record()
    record.add(Notice(at=1_795_982_563.0, shoot="bar", reason="InvalidAnnotation", detail="before"))
    record.origin = 1_795_982_600.0
    record.add(Notice(at=1_795_982_590.0, shoot="bar", reason="InvalidAnnotation", detail="seen later"))
    record.add(Notice(at=1_795_982_612.5, shoot="bar", reason="PreflightRisk", detail="after"))
    assert [notice.at for notice in record.notices] == [0.0, 0.0, 12.5]

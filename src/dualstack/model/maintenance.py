"""The maintenance window of a shoot, as Gardener writes it: times of day `HHMMSS+HHMM`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, timezone


def time_of_day(text: str) -> str:
    """`22:00 +01:00` for `220000+0100`; a text of another form stays as it is."""
    found = _parse(text)
    return text if found is None else f"{found:%H:%M} {found.isoformat()[-6:]}"


def next_window(begin: str, now: float) -> datetime | None:
    """The next time of day `begin` after `now`, in UTC; None for another form, or without a time."""
    found = _parse(begin)
    if found is None or not now:
        return None
    present = datetime.fromtimestamp(now, found.tzinfo)
    at = datetime.combine(present.date(), found)
    return (at if at > present else at + timedelta(days=1)).astimezone(UTC)


def _parse(text: str) -> time | None:
    found = re.fullmatch(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)([+-])([01]\d|2[0-3])([0-5]\d)", text)
    if found is None:
        return None
    sign = 1 if found[4] == "+" else -1
    zone = timezone(sign * timedelta(hours=int(found[5]), minutes=int(found[6])))
    return time(int(found[1]), int(found[2]), int(found[3]), tzinfo=zone)

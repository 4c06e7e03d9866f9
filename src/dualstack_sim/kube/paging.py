"""Lists, whole or in pages. All pages of one list show the same instant, whatever is written between them."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from dataclasses import dataclass

import msgspec

from dualstack_sim.kube.records import Record
from dualstack_sim.kube.selectors import Predicate
from dualstack_sim.kube.shelves import Shelves
from dualstack_sim.kube.status import bad_request, expired
from dualstack_sim.kube.trees import decoded, encoded
from dualstack_sim.kube.types import ResourceType

_SNAPSHOTS = 64
"""Lists that are kept for their next pages; a token whose list was dropped answers 410, as after a compaction."""

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. `remaining` is None when the list was selected from, as upstream then does not count."""

    records: list[Record]
    version: int
    token: str = ""
    remaining: int | None = None


class Pager:
    """Answers lists."""

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self._snapshots: OrderedDict[int, tuple[int, list[Record]]] = OrderedDict()
        self._issued = 0

    def page(
        self, resource: ResourceType, namespace: str | None, selects: Predicate | None, limit: int = 0, token: str = ""
    ) -> Page:
        """At most `limit` records (0: all) from the start, or from where `token` left off. 400, 410."""
        if token:
            number, start = _read_token(token)
            version, records = self._snapshots.get(number, (0, None))
            if records is None:
                raise expired(_TOO_OLD)
            self._snapshots.move_to_end(number)
        else:
            number, start, version = 0, 0, self._shelves.version
            records = self._shelves.shelf(resource).records(namespace)
            if selects is not None:
                records = [record for record in records if selects(record.manifest)]
        end = start + limit if limit else len(records)
        if end >= len(records):
            return Page(records[start:], version)
        if not number:
            number = self._keep(version, records)
        remaining = None if selects is not None else len(records) - end
        return Page(records[start:end], version, _token(number, end), remaining)

    def _keep(self, version: int, records: list[Record]) -> int:
        self._issued += 1
        self._snapshots[self._issued] = (version, records)
        if len(self._snapshots) > _SNAPSHOTS:
            self._snapshots.popitem(last=False)
        return self._issued

    def forget(self) -> None:
        """Drop all unfinished lists: their tokens answer 410."""
        self._snapshots.clear()


def _token(number: int, start: int) -> str:
    document = encoded({"v": "meta.k8s.io/v1", "list": number, "start": start})
    return base64.urlsafe_b64encode(document).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, int]:
    try:
        document = decoded(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(document["list"]), max(0, int(document["start"]))
    except (binascii.Error, msgspec.DecodeError, KeyError, TypeError, ValueError, UnicodeError):
        raise bad_request("continue key is not valid: illegal base64 data or encoding") from None

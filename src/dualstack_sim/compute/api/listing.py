"""Lists: filters, order, pages, and aggregated lists (docs/reference/compute-engine.md#lists)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from dualstack_sim.compute.api.errors import Json, invalid
from dualstack_sim.compute.api.filters import compile_filter
from dualstack_sim.rules import enforced

Entry = TypeVar("Entry")
LARGEST = 500
_NEWEST_FIRST = "creationTimestamp desc"


def page(resources: Iterable[Json], query: Mapping[str, str]) -> tuple[list[Json], str]:
    """One page and the token of the next page, "" after the last one.

    Query: `filter`, `orderBy` (name or creationTimestamp desc), `maxResults` 0 to 500, `pageToken`.
    """
    return _page(resources, query, _plain)


def _page(
    entries: Iterable[Entry], query: Mapping[str, str], resource: Callable[[Entry], Json]
) -> tuple[list[Entry], str]:
    """The same for entries from which `resource` extracts the resource."""
    if query.get("filter"):
        matches = compile_filter(query["filter"])
        entries = (entry for entry in entries if matches(resource(entry)))
    order = query.get("orderBy", "")
    if order not in ("", "name", "name asc", _NEWEST_FIRST) and enforced("lists.orders"):
        raise invalid("orderBy", order, "Supported are 'name' and 'creationTimestamp desc'.")
    newest_first = order == _NEWEST_FIRST
    rank = _by_age if newest_first else _by_name
    rows = sorted(entries, key=lambda entry: rank(resource(entry)), reverse=newest_first)
    start = _offset(query.get("pageToken", ""))
    end = start + _size(query.get("maxResults", ""))
    return rows[start:end], _token(end) if end < len(rows) else ""


def _plain(row: Json) -> Json:
    return row


def _placed(entry: tuple[str, Json]) -> Json:
    return entry[1]


def _by_name(resource: Json) -> str:
    return str(resource["name"])


def _by_age(resource: Json) -> tuple[str, str]:
    return str(resource.get("creationTimestamp") or resource.get("insertTime", "")), str(resource["name"])


def _size(text: str) -> int:
    if not text:
        return LARGEST if enforced("lists.default-page") else 10 * LARGEST
    if not (text.isascii() and text.isdigit()) or (int(text[:9]) > LARGEST and enforced("lists.largest-page")):
        raise invalid("maxResults", text, f"Must be between 0 and {LARGEST}.")
    return int(text) or LARGEST


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode()


def _offset(token: str) -> int:
    if not token:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if word == "offset" and number.isdigit():
            return int(number[:12])
    except (binascii.Error, ValueError):
        pass
    raise invalid("pageToken", token, "The page token is not valid.")


def list_document(
    kind: str,
    path: str,
    link: str,
    resources: Iterable[Json],
    query: Mapping[str, str],
    finished: Callable[[Json], Json] = _plain,
) -> Json:
    """`{kind, id, items?, nextPageToken?, selfLink}`, without `items` for an empty page.

    `finished` completes each row of the page with fields that are too expensive to compute for all rows.
    """
    chosen, token = page(resources, query)
    rows = [finished(row) for row in chosen]
    document: Json = {"kind": f"compute#{kind}List", "id": path, "selfLink": link}
    if rows or not enforced("lists.no-empty-items"):
        document["items"] = rows
    if token:
        document["nextPageToken"] = token
    return document


def aggregated_document(
    kind: str,
    path: str,
    link: str,
    scopes: Iterable[str],
    rows_of: Callable[[str], Iterable[Json]],
    query: Mapping[str, str],
) -> Json:
    """An aggregated list with a warning for empty scopes (docs/reference/compute-engine.md#aggregated-lists)."""
    collection = path.rpartition("/")[2]
    placed = [(scope, row) for scope in scopes for row in rows_of(scope)]
    chosen, token = _page(placed, query, _placed)
    items: Json = {scope: {} for scope in scopes}
    for scope, row in chosen:
        items[scope].setdefault(collection, []).append(row)
    for scope, content in items.items():
        if not content and enforced("lists.empty-scope-warning"):
            content["warning"] = {
                "code": "NO_RESULTS_ON_PAGE",
                "message": f"No results for the scope '{scope}'.",
                "data": [{"key": "scope", "value": scope}],
            }
    document: Json = {"kind": f"compute#{kind}AggregatedList", "id": path, "selfLink": link, "items": items}
    if token:
        document["nextPageToken"] = token
    return document

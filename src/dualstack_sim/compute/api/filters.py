"""List filters in both grammars: RE2 regular expressions and AIP-160 (docs/reference/compute-engine.md#filters)."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import re2

from dualstack_sim.compute.api.errors import ApiError, Json, invalid
from dualstack_sim.rules import enforced

Predicate = Callable[[Json], bool]

_LEGACY = re.compile(r"\s*\(*\s*[A-Za-z_][\w.\[\]]*\s+(?:eq|ne)\s+")
_LEGACY_TERM = re.compile(r"([A-Za-z_][\w.]*)\s+(eq|ne)\s+(.*)", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<operator><=|>=|!=|=|<|>|:)"""
    r"""|(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>[^\s()=<>!:"']+))"""
)
_MIXED = re.compile(r"""\A[^"'].*\s(?:AND|OR)\s""", re.DOTALL)
"""An unquoted literal that continues with AIP-160 terms."""
_LINK_ROOT = re.compile(r"https?\\?:(?:\\?/){2}[\w.:\\\[\]-]+?(?=\\?/)")
"""Scheme and host of a link, also with the escapes of a regular expression."""
_VERSION = re.compile(r"(\\?/compute\\?/)(?:alpha|beta|v1)(?=\\?/)")
_LISTS_OF_OBJECTS = frozenset(
    (
        "accessConfigs", "aliasIpRanges", "allowed", "backends", "bgpPeers", "denied", "disks", "guestAccelerators",
        "guestOsFeatures", "instances", "interfaces", "namedPorts", "nats", "networkInterfaces", "peerings",
        "secondaryIpRanges", "serviceAccounts", "versions", "warnings",
    )
)  # fmt: skip
_LONGEST = 16_384
_SILENT = re2.Options()
_SILENT.log_errors = False


@lru_cache(maxsize=256)
def compile_filter(text: str) -> Predicate:
    """The predicate of a filter expression. Raises ApiError 400 for a malformed one."""
    if len(text) > _LONGEST:
        raise _bad(text[:80])
    if _LEGACY.match(text):
        return _legacy(text)
    return _Expression(text).whole()


def _bad(text: str) -> ApiError:
    return invalid("filter", text, "Invalid list filter expression.")


def _check_field(field: str, text: str) -> None:
    """Refuse fields of the entries of lists (docs/reference/compute-engine.md#filter-lists)."""
    if "." in field and field.partition(".")[0] in _LISTS_OF_OBJECTS and enforced("filters.no-entries-of-lists"):
        raise _bad(text)


def lookup(resource: Json, path: str) -> Any:
    """The value at a dotted path, or None."""
    value: Any = resource
    for part in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    """A link, or a pattern for links, with Google's host and v1 (docs/reference/compute-engine.md#filter-hosts)."""
    return _VERSION.sub(r"\1v1", _LINK_ROOT.sub("https://www.googleapis.com", text))


def _spellings(text: str, literal: str) -> list[tuple[str, str]]:
    """The pairs of text and literal to compare: as they are, and for a link without regard to host and version."""
    pairs = [(text, literal)]
    if text.startswith(("http://", "https://")) and enforced("filters.any-host"):
        pairs.append((_canonical(text), _canonical(literal)))
    return pairs


# -- legacy: `field eq literal`, the literal a regular expression that must match the whole value


def _legacy(text: str) -> Predicate:
    terms = [_legacy_term(part, text) for part in _groups(text)]
    if len(terms) == 1:
        return terms[0]
    return lambda resource: (all if enforced("filters.groups-together") else any)(term(resource) for term in terms)


def _groups(text: str) -> list[str]:
    """The contents of the top-level parentheses, or the whole text if it has none."""
    if not text.lstrip().startswith("("):
        return [text]
    groups, depth, start, quote = [], 0, 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "(":
            depth += 1
            start = position + 1 if depth == 1 else start
        elif character == ")":
            depth -= 1
            if depth == 0:
                groups.append(text[start:position])
        elif depth == 0 and not character.isspace():
            raise _bad(text)
    if depth or quote:
        raise _bad(text)
    return groups


def _legacy_term(part: str, text: str) -> Predicate:
    match = _LEGACY_TERM.fullmatch(part.strip())
    if not match:
        raise _bad(text)
    field, operator, literal = match.groups()
    if _MIXED.search(literal) and enforced("filters.one-grammar"):
        raise _bad(text)
    if len(literal) > 1 and literal[0] == literal[-1] and literal[0] in "\"'":
        literal = literal[1:-1]
    _check_field(field, text)
    _pattern(literal, text)
    wanted = operator == "eq"

    def matches(value: str, wording: str) -> bool:
        pattern = _pattern(wording, text)
        matching = pattern.fullmatch if enforced("filters.whole-field") else pattern.search
        return matching(_encodable(value)) is not None

    return lambda resource: _any_spelling(_text(lookup(resource, field)), literal, matches) is wanted


@lru_cache(maxsize=256)
def _pattern(literal: str, text: str) -> Any:
    """The compiled regular expression. Raises ApiError 400 for a malformed one in the filter `text`."""
    try:
        return re2.compile(_encodable(literal), _SILENT)
    except re2.error:
        raise _bad(text) from None


def _any_spelling(text: str, literal: str, matches: Callable[[str, str], bool]) -> bool:
    return any(matches(*pair) for pair in _spellings(text, literal))


def _encodable(text: str) -> str:
    """Replace lone surrogates, which JSON allows but RE2 cannot read as UTF-8."""
    return text.encode(errors="surrogatepass").decode(errors="replace")


# -- AIP-160


class _Expression:
    """A recursive-descent parser: OR of ANDs of terms; adjacent terms are ANDed."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if not match or match.lastgroup is None:
                raise _bad(text)
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._next = 0

    def whole(self) -> Predicate:
        predicate = self._either(0)
        if self._next < len(self._tokens):
            raise _bad(self._text)
        return predicate

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _take(self, kind: str) -> str:
        found, value = self._peek()
        if found != kind:
            raise _bad(self._text)
        self._next += 1
        return value

    def _either(self, depth: int) -> Predicate:
        if depth > 20:
            raise _bad(self._text)
        options = [self._all(depth)]
        while self._peek() == ("word", "OR"):
            self._next += 1
            options.append(self._all(depth))
        return options[0] if len(options) == 1 else lambda resource: any(option(resource) for option in options)

    def _all(self, depth: int) -> Predicate:
        terms = [self._term(depth)]
        while self._peek()[0] in ("open", "word") and self._peek() != ("word", "OR"):
            if self._peek() == ("word", "AND"):
                self._next += 1
            terms.append(self._term(depth))
        if len(terms) == 1:
            return terms[0]
        return lambda resource: (all if enforced("filters.side-by-side") else any)(term(resource) for term in terms)

    def _term(self, depth: int) -> Predicate:
        if self._peek() == ("word", "NOT"):
            self._next += 1
            negated = self._term(depth + 1)
            return lambda resource: not negated(resource)
        if self._peek()[0] == "open":
            self._next += 1
            inner = self._either(depth + 1)
            self._take("close")
            return inner
        field, operator = self._take("word"), self._take("operator")
        kind, literal = self._peek()
        if kind not in ("word", "quoted"):
            raise _bad(self._text)
        self._next += 1
        literal = re.sub(r"\\(.)", r"\1", literal[1:-1]) if kind == "quoted" else self._continued(literal)
        _check_field(field, self._text)
        return _comparison(field, operator, literal)

    def _continued(self, literal: str) -> str:
        """An unquoted value may contain colons, as URLs do."""
        while self._peek() == ("operator", ":"):
            self._next += 1
            literal += ":" + self._take("word")
        return literal


def _comparison(field: str, operator: str, literal: str) -> Predicate:
    if operator == ":":
        return lambda resource: _has(lookup(resource, field), literal)
    if operator in ("=", "!="):
        wanted = operator == "="
        return lambda resource: _any_spelling(_text(lookup(resource, field)), literal, _matches) is wanted
    return lambda resource: _ordered(lookup(resource, field), operator, literal)


def _matches(text: str, literal: str) -> bool:
    """Whether `text` is `literal`, in which `*` stands for any text."""
    first, *rest = literal.split("*")
    if not rest:
        return text == first
    if not text.startswith(first):
        return False
    position = len(first)
    for part in rest[:-1]:
        found = text.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return len(text) - len(rest[-1]) >= position and text.endswith(rest[-1])


def _has(value: Any, literal: str) -> bool:
    if literal == "*" and enforced("filters.presence"):
        return value not in (None, "", [], {})
    if isinstance(value, list):
        return any(_any_spelling(_text(entry), literal, str.__eq__) for entry in value)
    if isinstance(value, dict):
        return literal in value
    wanted = literal.strip("*").lower()
    return value is not None and _any_spelling(_text(value), wanted, lambda text, part: part in text.lower())


def _ordered(value: Any, operator: str, literal: str) -> bool:
    if value is None:
        return False
    left: Any
    right: Any
    left, right = _spellings(_text(value), literal)[-1]
    with suppress(ValueError):
        left, right = float(left), float(right)
    return bool({"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[operator])

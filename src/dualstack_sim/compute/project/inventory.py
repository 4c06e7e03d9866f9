"""All resources of a project as the API shows them, and the stream of effective changes."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone

from dualstack_sim.compute.api.errors import Json, not_found
from dualstack_sim.compute.api.references import Key, Links
from dualstack_sim.compute.project.commits import PUBLISHED, Commit, CommitListener
from dualstack_sim.rules import enforced

HISTORY_SECONDS = 600.0
"""Simulated seconds for which earlier versions of resources are kept."""
_HISTORY_CHANGES = 10_000
"""The maximal number of earlier versions."""

_PACIFIC = timezone(timedelta(hours=-8))


def timestamp(seconds: float) -> str:
    """RFC 3339 with milliseconds and a Pacific offset, in winter time all year round."""
    zone = _PACIFIC if enforced("requests.pacific-time") else UTC
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone).isoformat(timespec="milliseconds")


class Usage:
    """Network link -> number of network interfaces, and of alias ranges of any size.

    Source: docs/reference/compute-engine.md#network-quotas.
    """

    def __init__(self) -> None:
        self.interfaces: Counter[str] = Counter()
        self.aliases: Counter[str] = Counter()

    def replace(self, before: Json | None, after: Json | None) -> None:
        """Count the change of an instance; None stands for a missing one."""
        old = before["networkInterfaces"] if before is not None else ()
        new = after["networkInterfaces"] if after is not None else ()
        if old is new:
            return
        for interfaces, sign in ((old, -1), (new, 1)):
            for interface in interfaces:
                self.interfaces[interface["network"]] += sign
                self.aliases[interface["network"]] += sign * len(interface.get("aliasIpRanges", ()))


class Inventory:
    """Resources by key. A stored document is never modified, only replaced, so readers may keep it."""

    def __init__(self, links: Links, seed: int, listener: CommitListener | None) -> None:
        self._links = links
        self._seed = seed
        self._listener = listener
        self._tables: dict[tuple[str, str], dict[str, Json]] = {}
        self._by_id: dict[tuple[str, str, str], str] = {}
        self._of_network: dict[tuple[str, str], dict[Key, Json]] = {}
        self._published: dict[Key, Json] = {}
        self._revisions: dict[Key, int] = {}
        self._incarnations: dict[Key, int] = {}
        self._history: deque[tuple[float, Key, Json | None]] = deque(maxlen=_HISTORY_CHANGES)
        """Instant of each change, key, and the document before."""
        self.usage = Usage()

    def reseed(self, seed: int) -> None:
        """Draw ids and fingerprints from another seed from now on."""
        self._seed = seed

    def find(self, key: Key) -> Json | None:
        """The resource under its name or its numeric id."""
        table = self._tables.get(key[:2])
        if table is None:
            return None
        found = table.get(key.name)
        if found is None and key.name.isdigit() and enforced("requests.numeric-id"):
            name = self._by_id.get((key.collection, key.scope, key.name))
            return table.get(name) if name else None
        return found

    def get(self, key: Key) -> Json:
        """The resource, or 404."""
        found = self.find(key)
        if found is None:
            raise not_found(self._links.partial(key))
        return found

    def canonical(self, key: Key) -> Key:
        """`key` with the name instead of the numeric id; 404 for a missing resource."""
        return Key(key.collection, key.scope, self.get(key)["name"])

    def table(self, collection: str, scope: str) -> dict[str, Json]:
        """Name -> resource of one scope; read-only."""
        return self._tables.get((collection, scope), {})

    def all(self, collection: str) -> Iterator[tuple[Key, Json]]:
        """Every resource of a collection in all scopes."""
        for (kind, scope), table in self._tables.items():
            if kind == collection:
                for name, resource in table.items():
                    yield Key(kind, scope, name), resource

    def effective(self, collection: str) -> list[Json]:
        """The resources of a collection as they are in force: without inserts whose operation still runs."""
        return [resource for key, resource in sorted(self._published.items()) if key.collection == collection]

    def of_network(self, collection: str, network: str) -> dict[Key, Json]:
        """The resources of a collection whose `network` is this URL; read-only."""
        return self._of_network.setdefault((collection, network), {})

    def put(self, at: float, key: Key, resource: Json | None, *, effective: bool = True) -> None:
        """Store `resource`, or remove it if it is None; `effective` also notifies the listener.

        An insert shows its resource while the operation still runs, but is not effective yet.
        """
        self._history.append((at, key, self.table(key.collection, key.scope).get(key.name)))
        while self._history[0][0] < at - HISTORY_SECONDS:
            self._history.popleft()
        self._show(key, resource)
        if effective:
            self._publish(at, key, resource)

    def _show(self, key: Key, resource: Json | None) -> None:
        table = self._tables.setdefault(key[:2], {})
        if key.collection == "instances":
            self.usage.replace(table.get(key.name), resource)
        if resource is None:
            gone = table.pop(key.name, None)
            if gone is not None:
                self._by_id.pop((key.collection, key.scope, gone["id"]), None)
                self.of_network(key.collection, gone.get("network", "")).pop(key, None)
        else:
            table[key.name] = resource
            self._by_id[key.collection, key.scope, resource["id"]] = key.name
            self.of_network(key.collection, resource.get("network", ""))[key] = resource

    @contextmanager
    def as_of(self, instant: float) -> Iterator[None]:
        """Show the state of an earlier instant, including fingerprints, as far back as it is kept."""
        undone: list[tuple[Key, Json | None]] = []
        for at, key, before in reversed(self._history):
            if at <= instant:
                break
            undone.append((key, self.table(key.collection, key.scope).get(key.name)))
            self._show(key, before)
        try:
            yield
        finally:
            for key, resource in reversed(undone):
                self._show(key, resource)

    def _publish(self, at: float, key: Key, after: Json | None) -> None:
        before = self._published.pop(key, None)
        if after is not None:
            self._published[key] = after
        if self._listener is not None and key.collection in PUBLISHED and before is not after:
            self._listener(Commit(at, key.collection, key.name, before, after))

    def identity(self, key: Key, kind: str, at: float) -> Json:
        """The fields that the server adds to a new resource. A resource that is recreated gets another id."""
        ordinal = self._incarnations.get(key, 0)
        self._incarnations[key] = ordinal + 1
        number = int.from_bytes(self._digest("id", *key, ordinal), "big") % (9 * 10**18) + 10**17
        return {
            "kind": f"compute#{kind}",
            "id": str(number),
            "name": key.name,
            "creationTimestamp": timestamp(at),
            "selfLink": self._links.full(key),
        }

    def fingerprint(self, key: Key, aspect: str = "") -> str:
        """A new fingerprint for each call: base64 of 8 bytes (docs/reference/compute-engine.md#fingerprints)."""
        revision = self._revisions.get(key, 0)
        self._revisions[key] = revision + 1
        return base64.urlsafe_b64encode(self._digest("fingerprint", *key, aspect, revision)).decode()

    def _digest(self, *parts: object) -> bytes:
        text = "\x1f".join(str(part) for part in (self._seed, *parts))
        return hashlib.blake2b(text.encode(), digest_size=8).digest()

    def dump(self) -> Json:
        """Everything as JSON; `load` is the inverse."""
        return {
            "resources": self.snapshot(),
            "revisions": {key.text(): number for key, number in sorted(self._revisions.items())},
            "incarnations": {key.text(): number for key, number in sorted(self._incarnations.items())},
        }

    def load(self, at: float, state: Json) -> None:
        """Replace everything from `at` on and notify the listener of the differences."""
        wanted = {
            _key(collection, path): resource
            for collection, resources in state["resources"].items()
            for path, resource in resources.items()
        }
        revisions = {Key.parse(text): int(number) for text, number in state["revisions"].items()}
        incarnations = {Key.parse(text): int(number) for text, number in state["incarnations"].items()}
        for key in [Key(*place, name) for place, table in self._tables.items() for name in table]:
            if key not in wanted:
                self.put(at, key, None)
        for key, resource in wanted.items():
            known = self.find(key)
            self.put(at, key, known if known == resource else resource)
        self._revisions, self._incarnations = revisions, incarnations
        self._history.clear()

    def snapshot(self) -> dict[str, dict[str, Json]]:
        """Collection -> `scope/name` -> resource."""
        result: dict[str, dict[str, Json]] = {}
        for (collection, scope), table in sorted(self._tables.items()):
            if table:
                shown = result.setdefault(collection, {})
                shown.update({f"{scope}/{name}": table[name] for name in sorted(table)})
        return result


def _key(collection: str, path: str) -> Key:
    scope, _, name = path.rpartition("/")
    return Key(collection, scope, name)

"""The handlers of each HTTP method for a collection, an object, or a subresource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from dualstack_sim.kube.access import Access
from dualstack_sim.kube.deletion import DeleteOptions, delete_options
from dualstack_sim.kube.kubectl import table, table_form
from dualstack_sim.kube.objects import StoredObject, encoded
from dualstack_sim.kube.patches import APPLY_PATCH, Patch, patch_types
from dualstack_sim.kube.protobuf import PROTOBUF
from dualstack_sim.kube.requests import (
    JSON,
    Form,
    accepted_form,
    accepts_json,
    bool_parameter,
    check_accept,
    check_initial_events,
    check_match,
    int_parameter,
    media_type_of,
    parse_body,
    parse_object,
    respond,
    selection,
    version_parameter,
    with_warnings,
    write_options,
)
from dualstack_sim.kube.reviews import review
from dualstack_sim.kube.status import (
    bad_request,
    expired,
    forbidden_value,
    invalid,
    method_not_allowed,
    not_acceptable,
    success,
    too_large_resource_version,
    unknown_path,
    unsupported_patch,
)
from dualstack_sim.kube.storage import Page
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.kube.subresources import Scales, Subresources
from dualstack_sim.kube.types import ResourceType
from dualstack_sim.kube.watching import WatchRequest, serve_watch
from dualstack_sim.kube.writes import Target

_Handler = Callable[[web.Request, Target], Awaitable[web.StreamResponse]]


class Resources:
    """Handles all requests below `/api/v1` and `/apis/<group>/<version>`."""

    def __init__(self, store: KubeStore, access: Access) -> None:
        self._store, self._access = store, access
        self._scales = Scales(store.storage, store.writer)
        self._subresources = Subresources(store, access)
        self._collection_handlers: dict[str, _Handler] = {
            "GET": self._list_or_watch,
            "POST": self._create,
            "DELETE": self._delete_collection,
        }
        self._object_handlers: dict[str, _Handler] = {
            "GET": self._get,
            "PUT": self._update,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        self._subresource_handlers: dict[str, _Handler] = {
            "GET": self._get_subresource,
            "PUT": self._update,
            "PATCH": self._patch,
            "POST": self._post_subresource,
        }

    async def handle(self, http: web.Request, target: Target) -> web.StreamResponse:
        """Handle one request. Raises StatusError to reject it."""
        if target.subresource is not None:
            handlers = self._subresource_handlers
            self._check_subresource(target)
        else:
            handlers = self._object_handlers if target.name else self._collection_handlers
        handler = handlers.get(http.method)
        if handler is None or ("get" not in target.resource.verbs and http.method != "POST"):
            raise method_not_allowed()
        if http.method == "GET":
            check_accept(target, http.headers.get("Accept", ""))
        return await handler(http, target)

    @staticmethod
    def _check_subresource(target: Target) -> None:
        resource = target.resource
        served = {each.name for each in resource.subresources}
        if resource.has_status:
            served.add("status")
        if resource.scale is not None:
            served.add("scale")
        if target.subresource not in served:
            raise unknown_path()

    # --- reading ---

    async def _get(self, http: web.Request, target: Target) -> web.StreamResponse:
        return self._respond_object(http, target, self._store.storage.existing(*target.location))

    async def _get_subresource(self, http: web.Request, target: Target) -> web.StreamResponse:
        stored = self._store.storage.existing(*target.location)
        match target.subresource:
            case "scale":
                return respond(self._scales.get(target))
            case "log":
                return web.Response(text="", content_type="text/plain")
            case "status":
                return self._respond_object(http, target, stored)
            case _:
                raise method_not_allowed()

    def _respond_object(
        self, http: web.Request, target: Target, stored: StoredObject, status: int = 200
    ) -> web.Response:
        form, media_type = accepted_form(http.headers.get("Accept"))
        if form == "metadata":
            return respond(stored.partial_metadata(), status=status)
        if form == "table":
            return respond(self._table(http, target, [stored], {"resourceVersion": str(stored.version)}), status=status)
        return respond(stored.encoded(target.api_version), media_type, status)

    def _table(
        self, http: web.Request, target: Target, objects: list[StoredObject], metadata: dict[str, Any]
    ) -> dict[str, Any]:
        return table(
            table_form(target.resource, target.version),
            objects,
            now=self._store.clock.now(),
            api_version=target.api_version,
            include=http.query.get("includeObject", "Metadata"),
            metadata=metadata,
        )

    async def _list_or_watch(self, http: web.Request, target: Target) -> web.StreamResponse:
        query = http.query
        if bool_parameter(query, "watch"):
            return await self._watch(http, target)
        form, media_type = accepted_form(http.headers.get("Accept"))
        selects = selection(target, query)
        if query.get("continue") and query.get("resourceVersion", "0") not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        self._check_version(query)
        page = self._store.pager.page(
            target.resource,
            target.namespace,
            selects,
            max(int_parameter(query, "limit") or 0, 0),
            query.get("continue", ""),
        )
        return self._respond_list(http, target, page, form, media_type)

    def _check_version(self, query: Mapping[str, str]) -> None:
        """Lists show the current state, so only a future version or an exact past version is rejected."""
        check_initial_events(query, watch=False)
        check_match(query)
        if query.get("continue"):
            return
        version, current = version_parameter(query), self._store.storage.version
        if not version:
            return
        if version > current:
            raise too_large_resource_version(version, current)
        if query.get("resourceVersionMatch") == "Exact" and version != current:
            raise expired(f"The resourceVersion for the provided list is too old: {version} ({current})")

    def _respond_list(self, http: web.Request, target: Target, page: Page, form: Form, media_type: str) -> web.Response:
        metadata: dict[str, Any] = {"resourceVersion": str(page.version)}
        if page.token:
            metadata["continue"] = page.token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
        if form == "table":
            return respond(self._table(http, target, page.objects, metadata))
        if form == "metadata":
            items = b",".join(encoded(stored.partial_metadata()) for stored in page.objects)
            return respond(_list_document("PartialObjectMetadataList", "meta.k8s.io/v1", metadata, items))
        untyped = b"" if target.resource.custom else _type_of(target)
        items = b",".join([_without(untyped, stored.encoded(target.api_version)) for stored in page.objects])
        document = _list_document(target.resource.list_kind, target.api_version, metadata, items)
        return respond(document, media_type)

    async def _watch(self, http: web.Request, target: Target) -> web.StreamResponse:
        query = http.query
        check_initial_events(query, watch=True)
        accept = http.headers.get("Accept")
        form, media_type = accepted_form(accept)
        protobuf = media_type == PROTOBUF and (form == "metadata" or not target.resource.custom)
        if media_type == PROTOBUF and not protobuf and not accepts_json(accept or ""):
            raise not_acceptable((JSON,))
        version = version_parameter(query, watch=True)
        timeout = int_parameter(query, "timeoutSeconds")
        request = WatchRequest(
            target=target,
            selects=selection(target, query),
            version=version or None,
            bookmarks=bool_parameter(query, "allowWatchBookmarks"),
            initial_events=bool_parameter(query, "sendInitialEvents"),
            timeout=None if not timeout else float(timeout),
            form=form,
            include=query.get("includeObject", "Metadata"),
            protobuf=protobuf,
        )
        return await serve_watch(self._store, request, http)

    # --- writing ---

    @staticmethod
    async def _body(http: web.Request, resource: ResourceType) -> Any:
        return parse_object(await http.read(), media_type_of(http.headers), resource)

    async def _create(self, http: web.Request, target: Target) -> web.StreamResponse:
        body, options = await self._body(http, target.resource), write_options(http.query, "CreateOptions")
        if target.resource.verbs == ("create",):
            return respond(review(target.resource, body, self._access, self._access.user(http)), status=201)
        stored = self._store.writer.create(target, body, options)
        return with_warnings(self._respond_object(http, target, stored, 201), options)

    async def _update(self, http: web.Request, target: Target) -> web.StreamResponse:
        if http.method == "PATCH":
            raise method_not_allowed()
        body, options = await self._body(http, target.resource), write_options(http.query, "UpdateOptions")
        match target.subresource:
            case None | "status":
                stored = self._store.writer.update(target, body, options)
                return with_warnings(self._respond_object(http, target, stored), options)
            case "scale":
                return respond(self._scales.put(target, body, options))
            case "finalize":
                return self._respond_object(http, target, self._finalize(target))
            case _:
                raise method_not_allowed()

    def _finalize(self, target: Target) -> StoredObject:
        """The server finalizes a namespace itself as soon as it is empty."""
        return self._store.deletion.remove_if_released(target.resource, self._store.storage.existing(*target.location))

    async def _patch(self, http: web.Request, target: Target) -> web.StreamResponse:
        media_type, options = media_type_of(http.headers), write_options(http.query, "PatchOptions")
        if media_type not in patch_types(target.resource):
            raise unsupported_patch(target.resource.custom, patch_types(target.resource))
        if "force" in http.query and media_type != APPLY_PATCH:
            cause = forbidden_value("force", "may not be specified for non-apply patch")
            raise invalid("meta.k8s.io", "PatchOptions", "", [cause])
        patch = Patch(media_type, parse_body(await http.read(), media_type))
        creates = media_type == APPLY_PATCH and target.subresource is None
        if creates and self._store.storage.get(*target.location) is None:
            self._access.check(http, "create")
        match target.subresource:
            case None | "status":
                stored, created = self._store.writer.patch(target, patch, options)
                return with_warnings(self._respond_object(http, target, stored, 201 if created else 200), options)
            case "scale":
                return respond(self._scales.patch(target, patch, options))
            case _:
                raise method_not_allowed()

    async def _post_subresource(self, http: web.Request, target: Target) -> web.StreamResponse:
        body = parse_body(await http.read(), media_type_of(http.headers))
        document = self._subresources.post(target, body, write_options(http.query, "CreateOptions"))
        if document is None:
            raise method_not_allowed()
        return respond(document, status=201)

    # --- deleting ---

    async def _delete_options(self, http: web.Request) -> DeleteOptions:
        data = await http.read()
        body = parse_body(data, media_type_of(http.headers)) if data.strip() else {}
        if not isinstance(body, dict):
            raise bad_request("DeleteOptions must be an object")
        return delete_options(body, dict(http.query))

    async def _delete(self, http: web.Request, target: Target) -> web.StreamResponse:
        options = await self._delete_options(http)
        stored, gone = self._store.deletion.delete(target.resource, target.namespace, target.name, options)
        if gone and not target.resource.returns_deleted:
            return respond(_deleted(target.resource, stored))
        return self._respond_object(http, target, stored)

    async def _delete_collection(self, http: web.Request, target: Target) -> web.StreamResponse:
        if "deletecollection" not in target.resource.verbs:
            raise method_not_allowed()
        if target.resource.namespaced and target.namespace is None:
            raise method_not_allowed()
        options = await self._delete_options(http)
        page = self._store.pager.page(target.resource, target.namespace, selection(target, http.query))
        for stored in page.objects:
            # An earlier deletion may have removed this object too.
            if self._store.storage.get(target.resource, stored.namespace, stored.name) is not None:
                self._store.deletion.delete(target.resource, stored.namespace, stored.name, options)
        return self._respond_list(http, target, page, "object", JSON)


def _list_document(kind: str, api_version: str, metadata: dict[str, Any], items: bytes) -> bytes:
    head = encoded({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    return b'%s,"items":[%s]}' % (head[:-1], items)


def _type_of(target: Target) -> bytes:
    """How an object of the type begins."""
    return encoded({"apiVersion": target.api_version, "kind": target.resource.kind})[:-1] + b","


def _without(head: bytes, item: bytes) -> bytes:
    """An item of a list of a built-in type has no type of its own."""
    return b"{" + item[len(head) :] if head and item.startswith(head) else item


def _deleted(resource: ResourceType, stored: StoredObject) -> dict[str, Any]:
    return success(name=stored.name, group=resource.group, plural=resource.plural, uid=stored.uid)

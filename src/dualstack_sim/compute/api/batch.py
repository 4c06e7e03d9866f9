"""The batch endpoint: many requests in one multipart body, answered in order.

Source: docs/reference/compute-engine.md#batch-requests.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from email.message import Message
from email.parser import BytesParser
from http import HTTPStatus
from typing import NamedTuple

from dualstack_sim.compute.api.errors import bad_request

MOST_PARTS = 1000


class Part(NamedTuple):
    """One request of a batch. `target` is the path with its query."""

    identity: str
    verb: str
    target: str
    body: bytes


class Answer(NamedTuple):
    status: int
    body: bytes


async def answer_batch(content_type: str, raw: bytes, answer: Callable[[Part], Awaitable[Answer]]) -> tuple[str, bytes]:
    """Execute the parts in order and return the content type and body of the response; each part has its own status.

    Raises ApiError for a malformed batch.
    """
    boundary = f"batch_{secrets.token_urlsafe(12)}"
    chunks = []
    for part in read_parts(content_type, raw):
        status, body = await answer(part)
        chunks.append(_chunk(boundary, part.identity, status, body))
    return f"multipart/mixed; boundary={boundary}", b"".join(chunks) + f"--{boundary}--\r\n".encode()


def _chunk(boundary: str, identity: str, status: int, body: bytes) -> bytes:
    lines = [f"--{boundary}", "Content-Type: application/http"]
    if identity:
        lines.append(f"Content-ID: {_response_identity(identity)}")
    lines += [
        "",
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json; charset=UTF-8",
        f"Content-Length: {len(body)}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body + b"\r\n"


def _response_identity(identity: str) -> str:
    """The Content-ID of the response to `<x>` is `<response-x>`."""
    return f"<response-{identity[1:]}" if identity.startswith("<") else f"response-{identity}"


def read_parts(content_type: str, raw: bytes) -> list[Part]:
    """The requests of a batch. Raises ApiError if there are none, too many, or malformed ones."""
    header = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode("utf-8", "replace")
    message = BytesParser().parsebytes(header + raw)
    if not message.get_content_type().startswith("multipart/") or not message.is_multipart():
        raise bad_request("Failed to parse batch request, error: 0 items. Received batch body: (0)bytes redacted")
    parts = message.get_payload()
    if not isinstance(parts, list) or len(parts) > MOST_PARTS:
        raise bad_request(f"The batch request must not have more than {MOST_PARTS} calls.")
    return [_part(part) for part in parts if isinstance(part, Message)]


def _part(message: Message) -> Part:
    payload = message.get_payload(decode=True)
    if message.get_content_type() != "application/http" or not isinstance(payload, bytes):
        raise bad_request("Failed to parse batch request: every part must be of type application/http.")
    head, _, body = payload.replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")
    words = head.partition(b"\n")[0].decode("utf-8", "replace").split(" ")
    if len(words) < 2:
        raise bad_request("Failed to parse batch request: a part has no request line.")
    return Part(str(message.get("Content-ID", "")), words[0].upper(), _path_of(words[1]), body.strip(b"\n"))


def _path_of(target: str) -> str:
    """The path of a target, which may be a whole URL."""
    if "://" in target:
        return "/" + target.partition("://")[2].partition("/")[2]
    return target

"""The facts in an Infrastructure state that Terraform wrote (docs/reference/gardener.md#terraform-state)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any

SERVICE_ACCOUNT = "google_service_account"
"""Terraform's type of the service account that Gardener created for the nodes."""


def has_resources(raw: Any) -> bool:
    """Whether Terraform had created anything: its state is not empty."""
    return bool(_content(raw))


def has_service_account(raw: Any) -> bool:
    """Whether it has a service account, in the state format of Terraform 0.12 and later, or before."""
    content = _content(raw)
    return (isinstance(content, str) and SERVICE_ACCOUNT in content) or SERVICE_ACCOUNT in set(_types(content))


def _content(raw: Any) -> Any:
    """The state in Gardener's envelope `{data, encoding}` or bare; text that is not JSON is returned as it is."""
    if not isinstance(raw, dict) or not isinstance(raw.get("data"), str):
        return raw
    text = raw["data"]
    if raw.get("encoding") == "base64":
        try:
            text = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return text
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return text


def _types(content: Any) -> Iterator[str]:
    if not isinstance(content, dict):
        return
    resources = content.get("resources")
    for resource in resources if isinstance(resources, list) else ():
        if isinstance(resource, dict) and resource.get("instances", True):
            yield str(resource.get("type"))
    modules = content.get("modules")
    for module in modules if isinstance(modules, list) else ():
        older = module.get("resources") if isinstance(module, dict) else None
        for resource in older.values() if isinstance(older, dict) else ():
            if isinstance(resource, dict):
                yield str(resource.get("type"))

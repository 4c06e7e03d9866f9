"""What Gardener tells the guest agent of its nodes (docs/reference/compute-engine.md#guest-agent-gardener)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from configparser import ConfigParser
from configparser import Error as ConfigError

from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

CONFIG_PATH = "/etc/default/instance_configs.cfg"


def evidence(configs: Iterable[Manifest]) -> str:
    """What shows that no guest agent handles alias ranges; empty unless every OperatingSystemConfig of a node does."""
    names = []
    for config in configs:
        if dig(config, "spec", "purpose") != "reconcile":
            continue
        files = {file.get("path"): file for file in dig(config, "spec", "files") or ()}
        if not _switched_off(_content(files.get(CONFIG_PATH) or {})):
            return ""
        names.append(config["metadata"]["name"])
    return f"{CONFIG_PATH} of OperatingSystemConfig {', '.join(names)} has ip_aliases = false" if names else ""


def _content(file: Manifest) -> str:
    inline = dig(file, "content", "inline") or {}
    data = str(inline.get("data") or "")
    if inline.get("encoding") not in ("b64", "base64"):
        return data
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _switched_off(text: str) -> bool:
    parser = ConfigParser(strict=False, interpolation=None)
    try:
        parser.read_string(text)
        return not parser.getboolean("IpForwarding", "ip_aliases", fallback=True)
    except (ConfigError, ValueError):
        return False

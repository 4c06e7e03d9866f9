"""The operator's output: events as JSON lines, and a log on standard error."""

from __future__ import annotations

import logging
import os
import sys

import structlog
from structlog.typing import Processor

from dualstack.model.errors import InvalidInput
from dualstack.model.events import (
    AnyEvent,
    Listener,
    Progress,
    encode,
)
from dualstack.streams import BackgroundWriter


class EventStream:
    """Writes each event as one line as soon as it is emitted."""

    def __init__(self, descriptor: int, target: str) -> None:
        self._target = target
        self.writer = BackgroundWriter(descriptor, self._changed)

    @classmethod
    def open(cls, target: str) -> EventStream:
        """Appends to the file, or writes to standard output for `-`; InvalidInput if it cannot be opened."""
        if target == "-":
            return cls(1, "standard output")
        try:
            return cls(os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), target)
        except OSError as error:
            raise InvalidInput(f"--events {target}: {error.strerror}") from error

    def write(self, event: AnyEvent) -> None:
        """Write the event, now or later. What cannot be written is lost and counted; the migration goes on."""
        self.writer.write(encode(event) + b"\n")

    def _changed(self, error: OSError | None) -> None:
        log = structlog.get_logger("dualstack.events")
        if error is None:
            log.warning("events are written again", events=self._target, lost=self.writer.lost)
        else:
            log.warning("events cannot be written", events=self._target, error=error.strerror)


def log_event(event: AnyEvent) -> None:
    """Log the event, except Progress, which changes too often."""
    if isinstance(event, Progress):
        return
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "at"}
    structlog.get_logger("dualstack").info(str(event.__struct_config__.tag), **fields)


def all_of(*listeners: Listener) -> Listener:
    """One listener that passes each event on to all."""

    def notify(event: AnyEvent) -> None:
        for listener in listeners:
            listener(event)

    return notify


def configure_logging(*, debug: bool = False, form: str = "text") -> None:
    """Log to standard error, including warnings and errors of libraries. form: `text` is key=value, `json` one object a
    line."""
    level = logging.DEBUG if debug else logging.INFO
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: Processor = structlog.processors.JSONRenderer(default=str)
    if form == "text":
        render = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                render,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)

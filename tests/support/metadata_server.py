"""The metadata server of one VM, as far as the agent of a trial uses it: name, attributes, waiting for a change."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from urllib.parse import parse_qs, urlsplit

_ROOT = "/computeMetadata/v1/instance/"


class MetadataServer:
    """Serves on a listening socket until `close`."""

    def __init__(self, listener: socket.socket, name: str) -> None:
        self._values = {"name": name}
        self._changed = Condition()
        self.waits = 0
        """Requests that waited for a change."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:  # type-compatible, and quiet
                return

        self._server = ThreadingHTTPServer(listener.getsockname(), Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listener
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, daemon=True).start()

    def set(self, attribute: str, text: str) -> None:
        with self._changed:
            self._values[f"attributes/{attribute}"] = text
            self._changed.notify_all()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        place = urlsplit(request.path)
        parameters = {key: values[0] for key, values in parse_qs(place.query).items()}
        key = place.path.removeprefix(_ROOT)
        with self._changed:
            if "wait_for_change" in parameters:
                self.waits += 1
                known, seconds = parameters.get("last_etag"), float(parameters.get("timeout_sec", 60))
                self._changed.wait_for(lambda: _etag(self._values.get(key)) != known, timeout=seconds)
            text = self._values.get(key)
        flavoured = request.headers.get("Metadata-Flavor") == "Google"
        if text is None or not flavoured:
            request.send_error(404 if flavoured else 403)
            return
        request.send_response(200)
        request.send_header("ETag", _etag(text))
        request.send_header("Content-Length", str(len(text.encode())))
        request.end_headers()
        request.wfile.write(text.encode())


def _etag(text: str | None) -> str:
    return "" if text is None else f"{hash(text) & 0xFFFFFFFFFFFF:x}"

"""A model hub on this machine: the few addresses that `huggingface_hub` asks for, over real HTTP."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Hub:
    """Serves folders as the commits of one model; notes what is asked for."""

    def __init__(self, model: str, commits: dict[str, Path], branches: dict[str, str]) -> None:
        self.model, self.commits, self.branches = model, commits, branches
        self.asked: list[str] = []

    def commit(self, revision: str) -> str | None:
        found = self.branches.get(revision, revision)
        return found if found in self.commits else None

    def listing(self, commit: str) -> list[dict[str, object]]:
        return [
            {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": _digest(path)}
            for path in sorted(self.commits[commit].iterdir())
        ]


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """The address of a running server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _digest(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            hub.asked.append("/".join(parts))
            if parts[:4] == ["api", "models", *hub.model.split("/")] and len(parts) >= 6:
                commit = hub.commit(parts[5])
                document = hub.listing(commit) if commit and parts[4] == "tree" else {"id": hub.model, "sha": commit}
                return self._missing() if commit is None else self._send(json.dumps(document).encode(), "", "", body)
            if parts[:3] == [*hub.model.split("/"), "resolve"] and (commit := hub.commit(parts[3])) is not None:
                path = hub.commits[commit] / parts[4]
                return self._send(path.read_bytes(), _digest(path), commit, body) if path.is_file() else self._missing()
            return self._missing()

        def _send(self, content: bytes, etag: str, commit: str, body: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Type", "application/octet-stream" if commit else "application/json")
            if commit:
                self.send_header("ETag", f'"{etag}"')
                self.send_header("X-Repo-Commit", commit)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def _missing(self) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", "RevisionNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *values: object) -> None:
            """Nothing on the error stream."""

    return Handler

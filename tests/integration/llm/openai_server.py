"""A server on the loopback that speaks the OpenAI chat and embeddings API, and misbehaves when told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from steersman.llm.fakes import FakeEmbedder


@dataclass
class OpenAiServer:
    """What it answers and what it was asked: set `status`, `body` or `silent` to make it misbehave."""

    url: str = ""
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    silent: threading.Event | None = None
    requests: list[tuple[str, dict[str, Any], str | None]] = field(default_factory=list)

    def answer(self, path: str, asked: dict[str, Any]) -> bytes:
        """Return what a well-behaved server answers."""
        if path.endswith("/embeddings"):
            vectors = FakeEmbedder().embed(asked["input"])
            rows = [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]
            return json.dumps({"data": rows[::-1], "model": asked["model"]}).encode()
        text = f"You said: {asked['messages'][-1]['content']}"
        return json.dumps(
            {
                "model": "tiny-1",
                "choices": [{"message": {"role": "assistant", "content": text}}],
                "usage": {"prompt_tokens": 1_000, "completion_tokens": 200},
            }
        ).encode()


@contextmanager
def serving() -> Iterator[OpenAiServer]:
    """Give a running server; it stops, and lets silent requests go, at the end."""
    state = OpenAiServer(silent=None)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            state.requests.append((self.path, asked, self.headers["authorization"]))
            if state.silent is not None:
                state.silent.wait(20)
                return
            body = state.answer(self.path, asked) if state.body is None else state.body
            self.send_response(state.status)
            for name, value in {"content-length": str(len(body)), **state.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        state.url = f"http://127.0.0.1:{server.server_port}/v1"
        yield state
    finally:
        if state.silent is not None:
            state.silent.set()
        server.shutdown()
        thread.join()
        server.server_close()

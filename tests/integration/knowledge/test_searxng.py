"""Web search through SearXNG's JSON API."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from steersman.errors import InvalidResult, Unavailable
from steersman.knowledge.search import Question
from steersman.knowledge.web_search import SearxngSearch


@pytest.fixture
def address() -> Iterator[str]:
    """Give the address of a server that answers a search for `fail N` with status N, `noise` with no JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            (words,) = asked["q"]
            assert asked["format"] == ["json"]
            page = {
                "url": f"https://e.org/{words.split()[-1]}",
                "title": words,
                "content": f"All about {words}.",
            }
            body = b"<html>" if words == "noise" else json.dumps({"results": [page]}).encode()
            self.send_response(int(words.split()[1]) if words.startswith("fail") else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def ask(text: str) -> Question:
    return Question(project_id=UUID(int=1), text=text)


def test_each_question_gets_its_own_pages(address: str) -> None:
    """The questions of a batch are asked together and answered in their order; an error is the one's that met it."""
    asked = [ask("green tea"), ask("fail 503"), ask("noise"), ask("fail 403"), ask("black coffee")]
    tea, busy, noise, refused, coffee = SearxngSearch(address, timeout_s=5).find(asked)
    assert isinstance(tea, list)
    assert isinstance(coffee, list)
    assert (tea[0].source_uri, coffee[0].source_uri) == ("https://e.org/tea", "https://e.org/coffee")
    assert isinstance(busy, Unavailable)
    assert isinstance(noise, InvalidResult)
    assert isinstance(refused, Unavailable)


def test_nobody_there_is_unavailable(address: str) -> None:
    """An instance that does not answer is Unavailable for every question, and no question asks nothing."""
    search = SearxngSearch("http://127.0.0.1:1", timeout_s=1)
    assert [type(one) for one in search.find([ask("a"), ask("b")])] == [Unavailable, Unavailable]
    assert search.find([]) == []

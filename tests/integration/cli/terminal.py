"""The command line in this process, on the functions of a test instead of an API that listens."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from steersman.cli import again, audit, dead, failures
from steersman.cli.app import app
from steersman.cli.client import Client
from tests.fixtures.functions import Functions


class Terminal:
    """Runs commands and reads what they print."""

    def __init__(
        self, functions: Functions, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
    ) -> None:
        self._functions = functions
        self._capture = capture
        client = Client("http://api.test", transport=httpx.MockTransport(self._answer))
        for module in (again, audit, dead):
            patch.setattr(module, "client", lambda: client)

    def run(self, *words: Any, code: int = 0) -> str:
        """Return what a command prints; fail unless it ends with `code`."""
        return "".join(self._told(words, code))

    def json(self, *words: Any) -> Any:
        """Return the document that a command prints for programs."""
        return json.loads(self._told([*words, "--json"], 0)[0])

    def _told(self, words: Sequence[Any], code: int) -> tuple[str, str]:
        self._capture.readouterr()  # what functions logged before
        found = failures.run(lambda: self._ran([str(word) for word in words]))
        told = self._capture.readouterr()
        assert found == code, told.out + told.err
        return told.out, told.err

    def _ran(self, words: Sequence[str]) -> None:
        app(words, standalone_mode=False)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        query = {name: values[0] for name, values in parse_qs(str(request.url.query, "ascii")).items()}
        answer = self._functions.http(
            request.method,
            request.url.path,
            request.content.decode() or None,
            headers=dict(request.headers),
            **query,
        )
        return httpx.Response(answer.status, text=answer.text)

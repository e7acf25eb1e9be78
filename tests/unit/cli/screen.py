"""What commands print, caught as text."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from steersman.cli import show


def printed(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object], *, width: int = 120) -> str:
    """Return what `action` prints on a screen of `width` columns."""
    screen = Console(file=io.StringIO(), width=width, highlight=False)
    with monkeypatch.context() as patch:
        patch.setattr(show, "out", screen)
        patch.setattr(show, "err", screen)
        action()
    file = screen.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()

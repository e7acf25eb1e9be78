"""Imports the modules named on the command line and prints what our code did that imports must not do."""

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OURS = tuple(str(ROOT / part) for part in ("shared/steersman", "functions"))
AUDITED = {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.putenv"}
CLIENTS = {
    "psycopg": ["connect", "Connection.connect"],
    "redis": ["Redis.__init__", "ConnectionPool.__init__"],
    "boto3": ["client", "resource", "Session.__init__"],
    "httpx": ["Client.__init__", "AsyncClient.__init__"],
    "sqlalchemy": ["create_engine"],
}


class WatchedEnvironment(dict[str, str]):
    """The environment, telling when our own code reads it."""

    def __getitem__(self, name: str) -> str:
        _note(f"reads the environment variable {name}", directly=True)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        _note(f"reads the environment variable {name}", directly=True)
        return super().get(name, default)


def main(modules: list[str]) -> None:
    _watch_clients()
    os.environ = WatchedEnvironment(os.environ)  # type: ignore[assignment]  # noqa: B003 - a watch
    sys.addaudithook(_audit)
    for module in modules:
        importlib.import_module(module)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in AUDITED:
        _note(event)
    if event == "open" and set(str(arguments[1])) & set("wax+"):
        path = str(arguments[0])
        if os.sep in path and "__pycache__" not in path:
            _note(f"writes {path}")


def _watch_clients() -> None:
    for package, names in CLIENTS.items():
        for name in names:
            holder: Any = importlib.import_module(package)
            *path, last = name.split(".")
            for part in path:
                holder = getattr(holder, part)
            setattr(holder, last, _watched(f"makes {package}.{name}", getattr(holder, last)))


def _watched(what: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def watched(*arguments: Any, **named: Any) -> Any:
        _note(what)
        return original(*arguments, **named)

    return watched


def _note(what: str, *, directly: bool = False) -> None:
    """Print `what` with the line of ours that caused it, if any; `directly`: with no library in between."""
    between = {__file__, os.__file__, "<frozen os>"}
    stack = [frame for frame in traceback.extract_stack() if frame.filename not in between]
    frames = stack[-1:] if directly else stack
    for frame in reversed(frames):
        if frame.filename.startswith(OURS):
            print(f"{frame.filename}:{frame.lineno} {what}")  # noqa: T201 - read by the test
            return


if __name__ == "__main__":
    main(sys.argv[1:])

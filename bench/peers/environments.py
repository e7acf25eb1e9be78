"""Each peer's own virtual environment, made from its hashed lock and kept while the lock stays as it is."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".local" / "bench" / "peers"
_LIMIT_S = 600.0
_PINNED = re.compile(r"^([a-z0-9-]+)==([^ ;\\]+)", re.MULTILINE)


class PeerUnavailable(Exception):
    """A peer's environment could not be made; the text says what to do."""


def lock(peer: str) -> Path:
    """Return the peer's lock: every package exact and with its hashes."""
    return Path(__file__).parent / peer / "requirements.txt"


def interpreter(peer: str) -> Path:
    """Return the Python of the peer's environment, made first if it is missing or its lock has changed.

    Raise PeerUnavailable when a step of making it fails.
    """
    folder = KEPT / peer
    python, stamp = folder / "bin" / "python", folder / "lock.sha256"
    wanted = hashlib.sha256(lock(peer).read_bytes() + sys.version.encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    _uv(peer, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    _uv(peer, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(lock(peer)))
    stamp.write_text(wanted)
    return python


def versions(peer: str) -> dict[str, str]:
    """Return the versions of the peer and of what it was asked for beside it."""
    asked = (Path(__file__).parent / peer / "requirements.in").read_text().split()
    pinned = dict(_PINNED.findall(lock(peer).read_text()))
    return {name: pinned[name] for one in asked if (name := one.partition("[")[0]) in pinned}


def _uv(peer: str, *arguments: str) -> None:
    command = [str(Path(sys.executable).with_name("uv")), *arguments]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LIMIT_S)
    except (subprocess.SubprocessError, OSError) as exc:
        told = getattr(exc, "stderr", None) or str(exc)
        raise PeerUnavailable(
            f"the environment of {peer} could not be made: {told.strip()}\n"
            f"See that a Python package index is reachable, then run it again; --peers leaves {peer} out."
        ) from exc

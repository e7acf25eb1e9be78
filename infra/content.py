"""Hashes of files, so that nothing is rebuilt or run again that has not changed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def content_hash(files: Iterable[Path], *, root: Path, salt: str = "") -> str:
    """Return a SHA-256 (hex) of the files' paths below `root` and their contents; `salt` joins it."""
    digest = hashlib.sha256(salt.encode())
    for path in sorted(files):
        digest.update(b"\0" + path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def files_below(folder: Path) -> list[Path]:
    """Return the files below `folder` without Python's caches, sorted."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc")

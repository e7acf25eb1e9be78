"""Journals: what a process writes down as it goes, one JSON line a fact, kept whatever kills the process."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from steersman.json import dumps, loads

Record = dict[str, Any]


class Journal:
    """Appends records to a file; each call is one write, so that lines of several processes do not mix."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, *records: Mapping[str, Any]) -> None:
        """Append records; they are with the system, and outlive this process, when this returns."""
        if records:
            os.write(self._file, b"".join(dumps(record) + b"\n" for record in records))

    def close(self) -> None:
        os.close(self._file)


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a journal; a line that a kill cut off is left out."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            record = loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record

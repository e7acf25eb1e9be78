"""Keeps the local cloud's servers: starts what is missing, repairs what a crash left, stops only its own."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from steersman.local.errors import BusyPortError, LocalCloudError
from steersman.local.ports import describe, holder, taken
from steersman.local.processes import Command, Identity, find, start, strays
from steersman.local.records import Record, read_records, write_records
from steersman.local.settings import port_variable


@dataclass(frozen=True)
class Part:
    """A server of the local cloud: how it is started, known to be ready, and stopped.

    `prepare` makes its folder, which may take seconds, and returns what the user should know of that. `ready`
    returns when the server answers or raises LocalCloudError. `repair` is tried once when it does not start,
    and says whether it changed anything.
    """

    name: str
    title: str
    port: int
    prepare: Callable[[], str]
    command: Callable[[], Command]
    ready: Callable[[Identity, Path], None]
    stop: Callable[[psutil.Process], bool]
    repair: Callable[[Path], bool] = lambda _: False


class Supervisor:
    """Starts and stops parts and remembers in `path` which processes are ours; safe between threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def record(self, name: str) -> Record | None:
        """Return what is remembered of a part, whether or not it still runs."""
        return read_records(self._path).get(name)

    def process(self, name: str) -> psutil.Process | None:
        """Return the process of a part if it is the one that we started and it is alive."""
        record = self.record(name)
        return find(record.identity) if record else None

    def ensure(self, part: Part) -> str:
        """Leave the part running and ready, whatever state it was in; return what had to be done."""
        command = part.command()
        record, process = self.record(part.name), self.process(part.name)
        done = "started"
        if record and process:
            if record.fingerprint == command.fingerprint and self._answers(part, record, command):
                return "already running"
            self._stop(part, process)
            done = "restarted"
        elif self._stop_strays(part, command):
            done = "restarted: it was left over from a command that did not end"
        elif record:
            done = "started again: it had been killed"
        remark = self._start(part, command)
        return f"{done}, {remark}" if remark else done

    def restart(self, part: Part) -> None:
        """Stop the part in order and start it again."""
        if process := self.process(part.name):
            self._stop(part, process)
        self._start(part, part.command())

    def stop(self, part: Part) -> str:
        """Stop the part if it is ours and alive; return what had to be done. Servers of others stay."""
        process = self.process(part.name)
        if process is not None:
            return "stopped" if self._stop(part, process) else "killed: it did not stop when asked"
        self._forget(part.name)
        return "stopped" if self._stop_strays(part, part.command()) else "was not running"

    def _start(self, part: Part, command: Command) -> str:
        self._check_port(part)
        remark = part.prepare()
        try:
            self._start_once(part, command)
        except LocalCloudError:
            if not part.repair(command.log):
                raise
            self._start_once(part, command)
        return remark

    def _start_once(self, part: Part, command: Command) -> None:
        identity = start(command)
        self._remember(part.name, Record(identity, part.port, command.fingerprint))
        try:
            part.ready(identity, command.log)
        except LocalCloudError:
            if process := find(identity):
                part.stop(process)
            self._forget(part.name)
            raise

    def _answers(self, part: Part, record: Record, command: Command) -> bool:
        try:
            part.ready(record.identity, command.log)
        except LocalCloudError:
            return False
        return True

    def _stop(self, part: Part, process: psutil.Process) -> bool:
        obeyed = part.stop(process)
        self._forget(part.name)
        return obeyed

    def _stop_strays(self, part: Part, command: Command) -> bool:
        found = strays(command)
        for process in found:
            part.stop(process)
        return bool(found)

    def _check_port(self, part: Part) -> None:
        if taken(part.port):
            raise BusyPortError(
                f"port {part.port}, which {part.title} needs, is held by {describe(holder(part.port))}",
                advice=f"Stop it, or set {port_variable(part.name)} to a free port; then run `up` again.",
            )

    def _remember(self, name: str, record: Record) -> None:
        with self._lock:
            write_records(self._path, {**read_records(self._path), name: record})

    def _forget(self, name: str) -> None:
        with self._lock:
            records = read_records(self._path)
            if records.pop(name, None):
                write_records(self._path, records)

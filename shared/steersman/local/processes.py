"""Servers that outlive the command that started them: started detached, known by pid and creation time."""

import contextlib
import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from steersman.local.errors import LocalCloudError

# The kernel's notion of when it booted moves a little when the clock is set; pids are not reused that fast.
_SAME_MOMENT_S = 2.0
_LOG_LIMIT_BYTES = 16 * 1024 * 1024
_PROBE_PAUSE_S = 0.02
_CHILDREN_PATIENCE_S = 1.0
_KILL_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Command:
    """How to start a server: `folder` becomes its working directory, and no other server's.

    `owner` is the uid and gid to run under, where not our own. Of the environment only `significant`
    variables count when a running server is compared with the one that is wanted.
    """

    arguments: Sequence[str]
    folder: Path
    log: Path
    environment: Mapping[str, str]
    owner: tuple[int, int] | None = None
    significant: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """A hash that changes when a running server must be replaced by this one."""
        chosen = sorted((n, v) for n, v in self.environment.items() if n.startswith(self.significant))
        return hashlib.sha256(repr((list(self.arguments), chosen)).encode()).hexdigest()


@dataclass(frozen=True)
class Identity:
    """A process not to be mistaken for another: a reused pid has another creation time (epoch seconds)."""

    pid: int
    created: float


def start(command: Command) -> Identity:
    """Start a server in a session of its own, its output appended to its log; it survives this process."""
    command.log.parent.mkdir(parents=True, exist_ok=True)
    _rotate(command.log)
    uid, gid = command.owner or (None, None)
    with command.log.open("ab") as log:
        process = subprocess.Popen(
            list(command.arguments),
            cwd=command.folder,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
        )
    identity = identify(psutil.Process(process.pid))
    # The server is meant to outlive us: Popen must not complain about it when it is collected.
    process.returncode = 0
    return identity


def identify(process: psutil.Process) -> Identity:
    """Return what tells this process from every other."""
    return Identity(process.pid, process.create_time())


def find(identity: Identity) -> psutil.Process | None:
    """Return the process if it is still the same and alive, else None."""
    try:
        process = psutil.Process(identity.pid)
        same = abs(process.create_time() - identity.created) <= _SAME_MOMENT_S
    except psutil.Error:
        return None
    return process if same and _alive(process) else None


def strays(command: Command) -> list[psutil.Process]:
    """Return servers that this command started but nobody remembers: the same program in the same folder."""
    program = Path(command.arguments[0]).resolve()
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (
                Path(process.exe()).resolve() == program
                and Path(process.cwd()) == command.folder.resolve()
                and _alive(process)
                and _same_module(process, command)
            ):
                found.append(process)
    oldest_first = sorted(found, key=lambda process: process.create_time())
    # Children share the program and the folder; they end with their parent.
    pids = {process.pid for process in oldest_first}
    return [process for process in oldest_first if process.ppid() not in pids]


def stop(process: psutil.Process, *, ask: Callable[[psutil.Process], None], patience_s: float) -> bool:
    """Ask a server to stop, wait, and kill it if it does not; its children end with it.

    Say whether it obeyed.
    """
    children = _children(process)
    with contextlib.suppress(psutil.NoSuchProcess):
        ask(process)
    obeyed = _gone([process], patience_s)
    if not obeyed:
        _kill([process])
    if not _gone(children, _CHILDREN_PATIENCE_S):
        _kill(children)
    return obeyed


def wait_until(
    ready: Callable[[], bool], *, identity: Identity, name: str, log: Path, limit_s: float
) -> None:
    """Wait until the server is ready; raise LocalCloudError when it ends or takes longer than `limit_s`."""
    deadline = time.monotonic() + limit_s
    while True:
        if find(identity) is None:
            raise LocalCloudError(
                f"{name} ended while it was starting: {last_lines(log, 3) or 'it wrote nothing'}",
                log=log,
                advice="Read the log; then run `up` again.",
            )
        if ready():
            return
        if time.monotonic() > deadline:
            raise LocalCloudError(
                f"{name} did not become ready within {limit_s:.0f} s",
                log=log,
                advice="Read the log. If the machine is busy, run `up` again: it continues where it stopped.",
            )
        time.sleep(_PROBE_PAUSE_S)


def memory_mb(process: psutil.Process) -> float:
    """Return the memory of a server and its children in MB, shared pages once where the system tells."""
    return sum(_memory_bytes(member) for member in [process, *_children(process)]) / 1_000_000


def last_lines(log: Path, count: int) -> str:
    """Return the last lines of a log that say something, joined by newlines; empty if there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 256 * 1024))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])


def _same_module(process: psutil.Process, command: Command) -> bool:
    """Tell servers that are Python modules apart from whatever else runs on that interpreter."""
    if command.arguments[1:2] != ["-m"]:
        return True
    return process.cmdline()[1:3] == list(command.arguments[1:3])


def _memory_bytes(process: psutil.Process) -> int:
    try:
        detail = process.memory_full_info()
        return int(getattr(detail, "pss", 0) or detail.rss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _gone(processes: Sequence[psutil.Process], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while any(_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PROBE_PAUSE_S)
    return True


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _gone(processes, _KILL_PATIENCE_S)


def _alive(process: psutil.Process) -> bool:
    """A zombie is not alive: whoever adopted it may take its time to collect it."""
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return bool(process.is_running())
    except psutil.NoSuchProcess:
        return False
    _reap(process.pid)
    return False


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(log.suffix + ".1"))

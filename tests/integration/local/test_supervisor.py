"""Starting, repairing and stopping parts, tried with the fastest of them."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis

from steersman.local import parts
from steersman.local.errors import BusyPortError, LocalCloudError
from steersman.local.ports import free_port
from steersman.local.processes import Identity, identify
from steersman.local.records import Record, read_records, write_records
from steersman.local.redis import redis_url
from steersman.local.supervisor import Part, Supervisor


@pytest.fixture
def part(folder: Path) -> Part:
    return parts.cache(folder / "cache", free_port())


@pytest.fixture
def supervisor(folder: Path, part: Part) -> Iterator[Supervisor]:
    made = Supervisor(folder / "processes.json")
    yield made
    made.stop(part)


@pytest.fixture
def bystander() -> Iterator[psutil.Process]:
    """A process that is none of ours."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield psutil.Process(process.pid)
        process.terminate()


def pid_of(supervisor: Supervisor) -> int:
    process = supervisor.process("cache")
    assert process is not None
    return process.pid


def test_ensuring_twice_starts_once(supervisor: Supervisor, part: Part) -> None:
    """A running part is left as it is."""
    assert supervisor.ensure(part) == "started"
    first = pid_of(supervisor)
    assert supervisor.ensure(part) == "already running"
    assert pid_of(supervisor) == first


def test_a_killed_part_is_started_again(supervisor: Supervisor, part: Part) -> None:
    """After a kill the next `up` starts the part again and says so."""
    supervisor.ensure(part)
    process = supervisor.process("cache")
    assert process is not None
    process.kill()
    process.wait(10)
    assert "killed" in supervisor.ensure(part)


def test_a_stale_record_kills_and_fools_nobody(
    supervisor: Supervisor, part: Part, folder: Path, bystander: psutil.Process
) -> None:
    """A record whose pid belongs to another process by now neither counts nor stops that process."""
    reused = Identity(bystander.pid, bystander.create_time() - 3600)
    write_records(folder / "processes.json", {"cache": Record(reused, part.port, "f")})
    assert supervisor.process("cache") is None
    assert supervisor.stop(part) == "was not running"
    write_records(folder / "processes.json", {"cache": Record(reused, part.port, "f")})
    supervisor.ensure(part)
    assert bystander.is_running()
    assert pid_of(supervisor) != bystander.pid


def test_a_lost_record_is_repaired(supervisor: Supervisor, part: Part, folder: Path) -> None:
    """A server that runs but that no file remembers is found by its program and folder."""
    supervisor.ensure(part)
    forgotten = psutil.Process(pid_of(supervisor))
    (folder / "processes.json").write_text('{"parts": {"cac')
    assert "left over" in supervisor.ensure(part)
    assert not forgotten.is_running() or forgotten.status() == psutil.STATUS_ZOMBIE
    (folder / "processes.json").unlink()
    assert supervisor.stop(part) == "stopped"


def test_a_busy_port_is_explained(supervisor: Supervisor, part: Part) -> None:
    """A port that another process holds is named with that process and the setting that changes it."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        other.bind(("127.0.0.1", part.port))
        other.listen()
        with pytest.raises(BusyPortError) as caught:
            supervisor.ensure(part)
    assert str(part.port) in str(caught.value)
    assert f"(pid {os.getpid()}" in str(caught.value)
    assert "STEERSMAN_CACHE_PORT" in caught.value.advice
    assert supervisor.ensure(part) == "started"


def test_another_port_restarts_the_part(supervisor: Supervisor, part: Part, folder: Path) -> None:
    """When a setting changed, the running server is replaced and keeps what it held."""
    supervisor.ensure(part)
    with Redis.from_url(redis_url(part.port)) as client:
        client.set("kept", "1")
    moved = parts.cache(folder / "cache", free_port())
    assert supervisor.ensure(moved) == "restarted"
    with Redis.from_url(redis_url(moved.port)) as client:
        assert client.get("kept") == b"1"


def test_a_part_that_does_not_start_is_not_remembered(
    supervisor: Supervisor, part: Part, folder: Path
) -> None:
    """A failed start is explained with the log and leaves neither a process nor a record."""
    (folder / "cache").mkdir()
    (folder / "cache" / "appendonly.aof").mkdir()
    with pytest.raises(LocalCloudError, match="Redis") as caught:
        supervisor.ensure(part)
    assert caught.value.log == folder / "cache" / "redis.log"
    assert read_records(folder / "processes.json") == {}


def test_only_ours_is_stopped(supervisor: Supervisor, part: Part, folder: Path) -> None:
    """A server that another local cloud started is not stopped by this one."""
    supervisor.ensure(part)
    other = Supervisor(folder / "other.json")
    assert other.stop(parts.cache(folder / "another", part.port)) == "was not running"
    assert supervisor.process("cache") is not None


def test_the_record_says_who_it_is(supervisor: Supervisor, part: Part, folder: Path) -> None:
    """What is remembered is the pid and the creation time of the very process that was started."""
    supervisor.ensure(part)
    record = read_records(folder / "processes.json")["cache"]
    assert record.identity == identify(psutil.Process(record.identity.pid))

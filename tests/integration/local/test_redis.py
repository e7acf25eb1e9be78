"""Redis from the wheel, started and stopped for real."""

from pathlib import Path

from redis import Redis

from steersman.local.processes import find
from steersman.local.redis import start_redis


def test_keys_survive_a_stop_and_a_kill(folder: Path) -> None:
    """What was written is there after an orderly stop, and after a kill once it was on disk."""
    with start_redis(folder / "redis") as server, Redis.from_url(server.url) as client:
        client.set("kept", "1")
    second = start_redis(folder / "redis")
    with Redis.from_url(second.url) as client:
        client.config_set("appendfsync", "always")
        client.set("later", "2")
    process = find(second.identity)
    assert process is not None
    process.kill()
    process.wait(10)
    with start_redis(folder / "redis") as server, Redis.from_url(server.url) as client:
        assert client.mget("kept", "later") == [b"1", b"2"]


def test_it_listens_on_the_loopback_only(folder: Path) -> None:
    """Nothing outside the machine can reach the server."""
    with start_redis(folder / "redis", durable=False) as server, Redis.from_url(server.url) as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_a_damaged_file_is_put_aside(folder: Path) -> None:
    """A file that the server cannot read is renamed, and the server starts empty."""
    (folder / "redis").mkdir()
    (folder / "redis" / "appendonly.aof").write_text("not redis\n")
    with start_redis(folder / "redis") as server, Redis.from_url(server.url) as client:
        assert client.dbsize() == 0
    assert (folder / "redis" / "appendonly.aof.damaged").read_text() == "not redis\n"


def test_stopping_twice_is_harmless(folder: Path) -> None:
    """A server that is gone can be stopped again."""
    server = start_redis(folder / "redis", durable=False)
    server.stop()
    server.stop()
    assert find(server.identity) is None

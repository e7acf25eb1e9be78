"""PostgreSQL from the wheel, started and stopped for real."""

import os
from pathlib import Path

import psutil
import psycopg
import pytest

from steersman.local.errors import LocalCloudError
from steersman.local.postgres import PostgresServer, start_postgres
from steersman.local.postgres_files import prepare
from steersman.local.processes import find


def ask(server: PostgresServer, statement: str) -> str:
    with psycopg.connect(server.url, autocommit=True) as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[call-overload]
        return str(row[0])


def write(server: PostgresServer, statement: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def test_it_is_the_version_and_has_what_steersman_needs(folder: Path) -> None:
    """The server is PostgreSQL 16 with pgvector, in UTF-8 and UTC, on the loopback only, with passwords."""
    with start_postgres(folder / "pg") as server:
        assert ask(server, "SHOW server_version").startswith("16.")
        assert ask(server, "SELECT lower('ÄÖÜ')") == "äöü"
        assert ask(server, "SHOW timezone") == "UTC"
        assert ask(server, "SHOW fsync") == "on"
        assert ask(server, "SHOW listen_addresses") == "127.0.0.1"
        write(server, "CREATE EXTENSION vector")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(server.url.replace(server.password, "wrong"))


def test_rows_survive_a_stop_and_a_kill(folder: Path) -> None:
    """What was committed is there after an orderly stop and after the server was killed."""
    with start_postgres(folder / "pg") as server:
        write(server, "CREATE TABLE kept (id int)")
    second = start_postgres(folder / "pg")
    write(second, "INSERT INTO kept VALUES (7)")
    process = find(second.identity)
    assert process is not None
    children = process.children()
    process.kill()
    psutil.wait_procs([process, *children], timeout=20)
    with start_postgres(folder / "pg") as third:
        assert ask(third, "SELECT id FROM kept") == "7"


def test_stopping_ends_every_process(folder: Path) -> None:
    """After a stop nothing of the server runs, and stopping again is harmless."""
    server = start_postgres(folder / "pg", durable=False)
    process = find(server.identity)
    assert process is not None
    family = [process, *process.children(recursive=True)]
    server.stop()
    server.stop()
    assert [member for member in family if find_alive(member)] == []


def find_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_an_interrupted_initialisation_is_done_again(folder: Path) -> None:
    """What an initialisation left half-made is never taken for a database."""
    half = folder / "pg" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("16\n")
    with start_postgres(folder / "pg", durable=False) as server:
        assert ask(server, "SELECT 1") == "1"
    assert not half.exists()


def test_a_lock_file_with_a_reused_pid_does_not_stop_it(folder: Path) -> None:
    """A lock file that names a living process which is no server of ours is removed."""
    prepare(folder / "pg", durable=False)
    lock = folder / "pg" / "data" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n/elsewhere\n1\n5432\n\n127.0.0.1\n0 0\nready\n")
    with start_postgres(folder / "pg", durable=False) as server:
        assert ask(server, "SELECT 1") == "1"


def test_a_lost_password_is_replaced(folder: Path) -> None:
    """Without its password file the server gets a new password and keeps its rows."""
    with start_postgres(folder / "pg", durable=False) as server:
        write(server, "CREATE TABLE kept AS SELECT 1 AS id")
    (folder / "pg" / "password").unlink()
    with start_postgres(folder / "pg", durable=False) as again:
        assert again.password != server.password
        assert ask(again, "SELECT id FROM kept") == "1"


def test_the_password_is_nobody_elses(folder: Path) -> None:
    """The password is in one file that only its owner reads, and in no log."""
    with start_postgres(folder / "pg", durable=False) as server:
        assert server.password not in repr(server)
    assert (folder / "pg" / "password").stat().st_mode & 0o777 == 0o600
    assert not (folder / "pg" / "password.new").exists()
    for log in (folder / "pg").glob("*.log"):
        assert server.password not in log.read_text()


def test_data_of_another_version_is_explained_and_left_alone(folder: Path) -> None:
    """A data folder of another PostgreSQL is refused by its version and not touched."""
    data = folder / "pg" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("14\n")
    with pytest.raises(LocalCloudError, match="PostgreSQL 14, not 16"):
        start_postgres(folder / "pg")
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_damaged_data_is_explained_with_the_log(folder: Path) -> None:
    """A server that cannot start says why and where its log is, and nothing keeps running."""
    prepare(folder / "pg", durable=False)
    (folder / "pg" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(LocalCloudError, match="pg_control") as caught:
        start_postgres(folder / "pg", durable=False)
    assert caught.value.log == folder / "pg" / "postgres.log"

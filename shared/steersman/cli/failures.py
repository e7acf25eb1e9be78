"""From errors to what a person reads and a script sees: the command line's one table of exit codes."""

from collections.abc import Callable

from steersman.cli import show
from steersman.cli.client import ApiProblem
from steersman.errors import InvalidInput, SteersmanError
from steersman.local.errors import LocalCloudError
from steersman.local.steps import explain

OK = 0
TASK_NOT_COMPLETED = 1
USAGE = 2  # typer's own
REFUSED = 3
UNAVAILABLE = 4
LOCAL_CLOUD = 5
INTERRUPTED = 130


def run(command: Callable[[], None]) -> int:
    """Run a command and return its exit code, after printing what went wrong."""
    try:
        command()
    except ApiProblem as exc:
        trace = exc.problem.get("trace_id") if exc.status is None or exc.status >= 500 else None
        advice = f"look for trace_id {trace} in the output of: make logs" if trace else ""
        show.problem(exc.message, exc.faults, advice=advice)
        return REFUSED if exc.status is not None and exc.status < 500 else UNAVAILABLE
    except LocalCloudError as exc:
        told = explain(exc)
        show.problem(told["message"], log=told["log"], advice=told["advice"])
        return LOCAL_CLOUD
    except InvalidInput as exc:
        show.problem(exc.message, [(fault.field, fault.reason) for fault in exc.faults])
        return REFUSED
    except SteersmanError as exc:
        show.problem(exc.message)
        return UNAVAILABLE
    except KeyboardInterrupt:
        show.err.print("interrupted", style="dim")
        return INTERRUPTED
    return OK

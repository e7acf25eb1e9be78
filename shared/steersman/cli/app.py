"""The command line `steersman`."""

import sys
from collections.abc import Callable

import typer

from steersman.cli import (
    again,
    approvals,
    audit,
    dead,
    demo,
    failures,
    invoke,
    limits,
    local,
    pauses,
    schedules,
    state_machine,
    steer,
    work,
)

app = typer.Typer(
    name="steersman",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Run fleets of AI agents: ask questions, submit tasks, manage templates, run the local cloud.\n\n"
    "Exit codes: 0 done, 1 the task did not complete, 2 wrong usage, 3 refused by the API, 4 not available, "
    "5 the local cloud failed.",
)
COMMANDS: tuple[Callable[..., None], ...] = (
    demo.demo,
    local.up,
    local.down,
    local.status,
    local.logs,
    local.clean,
    work.ask,
    work.ingest,
    audit.audit,
    invoke.invoke,
    local.migrate,
    local.seed,
)
for command in COMMANDS:
    app.command()(command)
for name, command in steer.COMMANDS.items():
    work.tasks.command(name)(command)
for command in (again.rerun, again.clone):
    work.tasks.command()(command)
work.templates.command("compile")(state_machine.compile_published)
app.add_typer(work.tasks, name="tasks")
app.add_typer(approvals.approvals, name="approvals")
app.add_typer(pauses.pauses, name="pauses")
app.add_typer(dead.dead, name="dead")
app.add_typer(work.templates, name="templates")
app.add_typer(schedules.schedules, name="schedules")
app.add_typer(work.agents, name="agents")
app.add_typer(limits.limits, name="limits")


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(failures.run(app))

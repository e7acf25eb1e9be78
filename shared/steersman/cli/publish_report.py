"""What the command line says before a template is published."""

from collections.abc import Mapping
from typing import Any

from steersman.cli import show


def print_report(report: Mapping[str, Any]) -> None:
    """Print what publishing would mean: changes, open tasks, schedules and the templates that start this one."""
    changes(f"against version {report['newest']}", report["changes"])
    _open_tasks(report["open_tasks"])
    _schedules(report)
    for use in report["nested_in"]:
        show.line(
            f"stage '{use['stage']}' of {use['template']} version {use['version']} starts this template"
        )


def changes(title: str, found: list[Mapping[str, Any]]) -> None:
    """Print what differs between two versions."""
    show.line(f"{title}\n")
    rows = [
        (
            change["stage"] or "the template",
            change["field"] or change["kind"],
            show.brief(change["before"]),
            show.brief(change["after"]),
        )
        for change in found
    ]
    show.rows(("where", "what", "before", "after"), rows, empty="nothing differs")


def _open_tasks(open_tasks: list[Mapping[str, Any]]) -> None:
    statuses = ("pending", "running", "awaiting", "retrying")
    for one in open_tasks:
        counts = ", ".join(f"{one[status]:,} {status}" for status in statuses if one[status])
        show.line(f"\nopen on version {one['version']}, and will end on it: {counts}")


def _schedules(report: Mapping[str, Any]) -> None:
    if report["following"]:
        show.line("\nschedules that will run the new version\n")
        show.rows(
            ("schedule", "next", "its input"), [_schedule(one) for one in report["following"]], empty=""
        )
    if report["pinned"]:
        show.line("\nschedules that stay on their version\n")
        rows = [(one["name"], _next(one), one["template_version"]) for one in report["pinned"]]
        show.rows(("schedule", "next", "version"), rows, empty="")
    if report["schedules_not_shown"]:
        show.line(f"\nand {report['schedules_not_shown']:,} more schedules of it")


def _schedule(one: Mapping[str, Any]) -> tuple[str, str, str]:
    faults = "; ".join(f"{fault['field']}: {fault['reason']}" for fault in one["faults"])
    return one["name"], _next(one), f"will be refused: {faults}" if faults else "fits"


def _next(one: Mapping[str, Any]) -> str:
    return show.moment(one["next_at"]) if one["next_at"] else "paused"

"""ask, ingest and the tasks, templates and agents commands: everything that goes through the API."""

from pathlib import Path
from typing import Annotated, Any

import typer

from steersman.cli import publish_report, show, standing
from steersman.cli.client import ApiProblem
from steersman.cli.context import Json, Project, client
from steersman.cli.documents import Ingestion
from steersman.cli.files import read_json
from steersman.cli.follow import finish, watch
from steersman.errors import Fault, InvalidInput
from steersman.json import loads
from steersman.local.errors import LocalCloudError

tasks = typer.Typer(no_args_is_help=True, help="Submit, list, read, watch, steer, cancel and repeat tasks.")
templates = typer.Typer(no_args_is_help=True, help="List, read, check and publish templates.")
agents = typer.Typer(no_args_is_help=True, help="The agent registry.")


def ask(
    question: Annotated[str, typer.Argument(help="What to find out.")],
    template: Annotated[str, typer.Option("--template", "-t", help="How to answer it.")] = "standard_query",
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Ask a question and watch the agents answer it, with sources."""
    api = client()
    accepted = api.submit({"template": template, "project": project, "input": {"question": question}})
    finish(watch(api, accepted["id"], quiet=json_output), json_output=json_output)


def ingest(
    paths: Annotated[
        list[Path], typer.Argument(exists=True, help="Files, or folders to take everything readable from.")
    ],
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Add documents that questions are then answered from.

    Markdown, plain text, HTML and PDF; below a folder, every such file. What cannot be read is named: exit code 3.
    """
    done = Ingestion(client(), project).files(paths, quiet=json_output)
    if json_output:
        show.json(done)
    if done["refused"]:
        raise typer.Exit(3)


@tasks.command("submit")
def submit_task(
    file: Annotated[
        Path | None, typer.Argument(exists=True, help="JSON: a task, or a list of tasks.")
    ] = None,
    template: Annotated[str | None, typer.Option("--template", "-t")] = None,
    task_input: Annotated[str | None, typer.Option("--input", "-i", help="The task's input as JSON.")] = None,
    project: Annotated[str, Project] = "default",
    priority: Annotated[str, typer.Option()] = "medium",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Submit one task, or a file of up to 1,000, without waiting for them."""
    document = read_json(file) if file else _one_task(template, task_input, project, priority)
    answer = _submitted(document)
    if json_output:
        show.json(answer)
        return
    for accepted in answer["tasks"]:
        show.out.print(accepted["id"])


def _submitted(document: Any) -> dict[str, Any]:
    if isinstance(document, list):
        return client().submit_batch(document)
    return {"tasks": [client().submit(document)]}


@tasks.command("list")
def list_tasks(
    status: Annotated[str | None, typer.Option()] = None,
    template: Annotated[str | None, typer.Option("--template", "-t")] = None,
    label: Annotated[list[str] | None, typer.Option(help="key:value")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="The next_cursor of the page before.")] = None,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """List tasks, newest first."""
    page = client().tasks(
        project=project, status=status, template=template, label=label, limit=limit, cursor=cursor
    )
    if json_output:
        show.json(page)
        return
    rows = [
        (
            t["id"],
            show.status(t["status"]),
            t["template"],
            f"{show.latency_s(t):.2f} s" if t["finished_at"] else "",
            t["priority"],
            show.moment(t["created_at"]),
        )
        for t in page["tasks"]
    ]
    show.rows(
        ("task", "status", "template", "took", "priority", "created"),
        rows,
        empty="no tasks; try: steersman ask",
        optional=2,
    )
    if page["next_cursor"]:
        show.out.print(f"more: --cursor {page['next_cursor']}", style="dim")


@tasks.command("show")
def show_task(
    task_id: str,
    include: Annotated[
        str | None,
        typer.Option(help="input or output: the large value to show whole where not both fit an answer."),
    ] = None,
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Show a task with its stages and, when it has completed, its answer."""
    api = client()
    task = api.task(task_id, include)
    if json_output:
        show.json(task)
        return
    head = (
        task["id"],
        show.status(task["status"]),
        f"{task['template']} v{task['template_version']}",
        task["project"],
    )
    show.rows(("task", "status", "template", "project"), [head], empty="")
    for line in standing.of_task(task):
        show.line(line)
    questions = standing.questions(task, api.approvals)
    rows = [
        (
            s["name"],
            show.status(s["status"]),
            s["agent"],
            s["attempt"],
            s["duration_ms"],
            standing.of_stage(s, questions.get(s["name"])),
        )
        for s in task["stages"]
    ]
    show.out.print()
    show.rows(("stage", "status", "agent", "try", "ms", "what there is to say"), rows, empty="no stages")
    for name in questions:
        show.line(f"\nanswer: .venv/bin/steersman approvals answer {task['id']} {name} --yes|--no")
    if task["status"] == "completed":
        show.out.print()
        show.answer(task)


@tasks.command("watch")
def watch_task(task_id: str, json_output: Annotated[bool, Json] = False) -> None:
    """Follow a task to its end."""
    finish(watch(client(), task_id, quiet=json_output), json_output=json_output)


@tasks.command("cancel")
def cancel_task(
    task_id: str,
    reason: Annotated[str | None, typer.Option()] = None,
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Stop an open task."""
    task = client().cancel(task_id, reason)
    if json_output:
        show.json(task)
    else:
        show.out.print(f"{task['id']} is {task['status']}")


@templates.command("list")
def list_templates(
    project: Annotated[str, Project] = "default", json_output: Annotated[bool, Json] = False
) -> None:
    """List the newest version of each template."""
    page = client().templates(project=project, limit=200)
    if json_output:
        show.json(page)
        return
    rows = [
        (t["name"], t["version"], len(t["template"]["stages"]), t["template"]["description"])
        for t in page["templates"]
    ]
    show.rows(
        ("template", "version", "stages", "what it does"), rows, empty="no templates; try: steersman seed"
    )


@templates.command("show")
def show_template(
    name: str,
    version: Annotated[int | None, typer.Option(min=1)] = None,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Show a version of a template (default: the newest)."""
    api = client()
    found = api.template(name, version, project) if version else api.newest_template(name, project)
    if json_output:
        show.json(found)
        return
    show.line(f"{found['name']} version {found['version']}: {found['template']['description']}\n")
    rows = [
        (
            s["name"],
            s["queue"],
            s["capability"],
            ", ".join(s["needs"]),
            f"{s['timeout_s']:g} s",
            s["on_error"],
            s["when"],
        )
        for s in found["template"]["stages"]
    ]
    show.rows(
        ("stage", "queue", "capability", "after", "timeout", "on error", "when"),
        rows,
        empty="no stages",
        optional=2,
    )


@templates.command("diff")
def diff_template(
    name: str,
    before: Annotated[int | None, typer.Option(min=1, help="Default: the one before the other")] = None,
    after: Annotated[int | None, typer.Option(min=1, help="Default: the newest")] = None,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Show what differs between two versions of a template, and how many tasks are open on each."""
    found = client().template_diff(name, project, before=before, after=after)
    if json_output:
        show.json(found)
        return
    publish_report.changes(f"{name} version {found['before']} → {found['after']}", found["changes"])
    for version, tasks in found["open_tasks"].items():
        show.line(f"\n{tasks:,} open on version {version}: they end on it")


@templates.command("validate")
def validate_template(
    file: Annotated[Path, typer.Argument(exists=True)],
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Check a template file; every fault is named with its place. Needs no running cloud.

    Where the API can be reached, also say what publishing it would mean for open tasks and schedules.
    """
    from steersman.tasks.template import parse_template

    document = _object(read_json(file))
    template = parse_template(document)
    report, told = _report(document, project)
    if json_output:
        show.json({"name": template.name, "valid": True, "stages": len(template.stages), "report": report})
        return
    show.out.print(f"{template.name} is valid: {len(template.stages)} stages")
    if report is not None:
        publish_report.print_report(report)
    else:
        show.out.print(told, style="dim")


@templates.command("publish")
def publish_template(
    file: Annotated[Path, typer.Argument(exists=True)],
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """Publish a template file as the next version of its name."""
    done = client().publish(_object(read_json(file)), project, validate_only=False)
    if json_output:
        show.json(done)
    else:
        fate = "published" if done["published"] else "unchanged: this text is the newest version already"
        show.out.print(f"{done['name']} version {done['version']} ({fate})")


@agents.command("list")
def list_agents(
    capability: Annotated[str | None, typer.Option()] = None,
    status: Annotated[str | None, typer.Option()] = None,
    project: Annotated[str, Project] = "default",
    json_output: Annotated[bool, Json] = False,
) -> None:
    """List the agents that a project may use."""
    page = client().agents(project=project, capability=capability, status=status, limit=200)
    if json_output:
        show.json(page)
        return
    rows = [
        (a["name"], a["version"], a["status"], a["protocol"], a["performance"]["calls"] or 0,
         ", ".join(c["name"] for c in a["capabilities"]), a["id"])
        for a in page["agents"]
    ]  # fmt: skip
    show.rows(
        ("agent", "version", "status", "protocol", "calls", "capabilities", "id"),
        rows,
        empty="no agents",
        optional=1,
    )


@agents.command("show")
def show_agent(
    agent_id: str, project: Annotated[str, Project] = "default", json_output: Annotated[bool, Json] = False
) -> None:
    """Show an agent with its capabilities and what was measured of it (by id or name)."""
    api = client()
    if "-" not in agent_id or len(agent_id) != 36:
        page = api.agents(project=project, limit=200)["agents"]
        agent_id = next((a["id"] for a in page if a["name"] == agent_id), agent_id)
    agent = api.agent(agent_id, project)
    if json_output:
        show.json(agent)
        return
    hidden = {"capabilities", "performance", "tags"}
    show.rows(("", ""), [(k, v) for k, v in agent.items() if k not in hidden], empty="")
    show.out.print()
    show.rows(("capability", "version"), [(c["name"], c["version"]) for c in agent["capabilities"]], empty="")
    measured = [
        (name, round(value, 3) if isinstance(value, float) else value)
        for name, value in agent["performance"].items()
        if value is not None
    ]
    show.out.print()
    show.rows(("measured", ""), measured, empty="nothing was measured of it yet")


def _report(document: dict[str, Any], project: str) -> tuple[dict[str, Any] | None, str]:
    """Return what publishing would mean, or None and why nothing is known of it."""
    try:
        found = client().publish(document, project, validate_only=True).get("report")
    except LocalCloudError:
        return None, "what it would mean for open tasks and schedules is told where the API can be reached"
    except ApiProblem as exc:
        if exc.status is not None:
            raise
        return None, f"what it would mean for open tasks and schedules is not known: {exc.message}"
    return found, "it would be the first version"


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise InvalidInput(
            "the file does not hold a template", faults=(Fault("template", "must be a JSON object"),)
        )
    return document


def _one_task(template: str | None, task_input: str | None, project: str, priority: str) -> dict[str, Any]:
    try:
        document = loads(task_input or "")
    except ValueError:
        fault = Fault("--input", 'give the input as JSON, as in --input \'{"question": "…"}\', or a file')
        raise InvalidInput("the task has no input", faults=(fault,)) from None
    return {
        "template": template or "standard_query",
        "input": document,
        "project": project,
        "priority": priority,
    }

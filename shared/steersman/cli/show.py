"""What the commands print: tables and answers for people, JSON for programs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from steersman.cli.progress import LOOKS
from steersman.json import dumps_text

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

EXCERPT = 220


def json(value: Any) -> None:
    """Print a value as one JSON document, for programs."""
    out.file.write(dumps_text(value) + "\n")


def rows(titles: Sequence[str], table_rows: Sequence[Sequence[Any]], *, empty: str) -> None:
    """Print a table, or what to do when there is nothing in it."""
    if not table_rows:
        out.print(empty, style="dim")
        return
    table = Table(*titles, box=None, header_style="bold", padding=(0, 2, 0, 0))
    for row in table_rows:
        table.add_row(
            *(value if isinstance(value, Text) else str(value if value is not None else "") for value in row)
        )
    out.print(table)


def status(word: str) -> Text:
    """Return a status with its sign and colour."""
    glyph, style = LOOKS.get(word, ("", ""))
    return Text(f"{glyph} {word}".strip(), style)


def answer(task: Mapping[str, Any]) -> None:
    """Print a completed task's answer with its numbered sources, quality, agents, latency and cost."""
    output = task.get("output") or {}
    if "answer" not in output:
        json(output)
        return
    declined = output.get("declined")
    title = "Not answered by the sources" if declined else "Answer"
    body = Text(output["answer"] or output.get("decline_reason") or "")
    out.print(Panel(body, title=title, title_align="left", border_style="yellow" if declined else "green"))
    for source in output.get("sources", []):
        out.print(_source(source))
    out.print(Padding(_facts(task, output), (1, 0, 0, 0)))


def _source(source: Mapping[str, Any]) -> Group:
    passage = " ".join(str(source["passage"]).split())
    excerpt = passage if len(passage) <= EXCERPT else passage[:EXCERPT].rsplit(" ", 1)[0] + " …"
    head = Text.assemble(
        (f" [{source['number']}] ", "bold"),
        (str(source["title"]), "bold"),
        (f"  {source['source_uri']}", "dim"),
    )
    trust = f"credibility {float(source['credibility']):.2f}: {source['credibility_reason']}"
    return Group(head, Padding(Text(excerpt), (0, 0, 0, 5)), Padding(Text(trust, "dim"), (0, 0, 0, 5)))


def _facts(task: Mapping[str, Any], output: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    quality = output.get("quality")
    if quality:
        parts = ", ".join(f"{name} {quality[name]:.2f}" for name in ("grounding", "coverage", "clarity"))
        table.add_row(Text("quality", "dim"), f"{quality['score']:.2f}  ({parts})")
    agents = [f"{stage['agent']} ({stage['name']})" for stage in task["stages"] if stage["agent"]]
    table.add_row(Text("agents", "dim"), ", ".join(agents))
    if output.get("models"):
        table.add_row(Text("models", "dim"), ", ".join(output["models"]))
    table.add_row(Text("latency", "dim"), f"{latency_s(task):.2f} s from request to answer")
    table.add_row(Text("cost", "dim"), f"{float(task['cost_usd']):.6f} USD, {task['tokens']} tokens")
    for note in output.get("notes", []):
        table.add_row(Text("note", "yellow"), str(note))
    return table


def latency_s(task: Mapping[str, Any]) -> float:
    """Return the seconds from a task's acceptance to its end; 0 while it runs."""
    if not task.get("finished_at"):
        return 0.0
    ended = datetime.fromisoformat(task["finished_at"])
    return (ended - datetime.fromisoformat(task["created_at"])).total_seconds()


def problem(message: str, faults: Sequence[tuple[str, str]] = (), *, log: str = "", advice: str = "") -> None:
    """Print an error: what is wrong, in which fields, where the log is and what to do."""
    err.print(Text.assemble(("error: ", "bold red"), message))
    for field, reason in faults:
        err.print(Text.assemble("  ", (field, "bold"), f": {reason}"))
    if log:
        err.print(Text.assemble(("  log: ", "dim"), log))
    if advice:
        err.print(Text.assemble(("  do: ", "dim"), advice))

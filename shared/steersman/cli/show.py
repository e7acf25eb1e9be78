"""What the commands print: tables and answers for people, JSON for programs."""

import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from steersman.cli.progress import LOOKS
from steersman.cli.width import natural_width
from steersman.json import dumps_text

PIPE_WIDTH = 160  # what is read by programs or kept in files must not be cut at a terminal's 80
TEXT_WIDTH = 100


def _console(*, stderr: bool = False) -> Console:
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=PIPE_WIDTH)


out = _console()
err = _console(stderr=True)

EXCERPT = 220
BRIEF = 60
INDENT = 5
ANSWER = {"answer", "declined", "sources"}


def json(value: Any) -> None:
    """Print a value as one JSON document, for programs."""
    out.file.write(dumps_text(value) + "\n")


def rows(
    titles: Sequence[str], table_rows: Sequence[Sequence[Any]], *, empty: str, optional: int = 0
) -> None:
    """Print a table, or what to do when there is nothing in it.

    Nothing is cut off: on a narrow terminal up to `optional` of the last columns are left out, then lines are folded.
    """
    if not table_rows:
        out.print(empty, style="dim")
        return
    for columns in range(len(titles), len(titles) - optional - 1, -1):
        table = _table(titles[:columns], [row[:columns] for row in table_rows])
        if natural_width(table) <= out.width:
            break
    out.print(table)


def _table(titles: Sequence[str], table_rows: Sequence[Sequence[Any]]) -> Table:
    table = Table(
        box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False, show_header=any(titles)
    )
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in table_rows:
        table.add_row(*(value if isinstance(value, Text) else _cell(value) for value in row))
    return table


def _cell(value: Any) -> Text:
    return Text("" if value is None else str(value))  # not markup: a "[" is a "["


def status(word: str) -> Text:
    """Return a status with its sign and colour."""
    glyph, style = LOOKS.get(word, ("", ""))
    return Text(f"{glyph} {word}".strip(), style)


def brief(value: Any) -> str:
    """Return a value as JSON on one line, shortened where it is long; nothing for null."""
    text = "" if value is None else dumps_text(value)
    return text if len(text) <= BRIEF else text[: BRIEF - 1] + "…"


def answer(task: Mapping[str, Any]) -> None:
    """Print a completed task's answer with its numbered sources, quality, agents, latency and cost."""
    output = task.get("output") or {}
    if not output.keys() >= ANSWER:  # a template of the user's own, whose output is not an answer of ours
        json(output)
        return
    declined = output.get("declined")
    title = "No answer" if declined else "Answer"
    body = Text(_declined(output) if declined else output["answer"])
    colour = "yellow" if declined else "green"
    width = min(out.width, TEXT_WIDTH)
    out.print(Panel(body, title=title, title_align="left", border_style=colour, width=width))
    for source in output["sources"]:
        out.print(_source(source, output.get("statements", [])))
    out.print(Padding(_facts(task, output), (1, 0, 0, 0), expand=False))


def _declined(output: Mapping[str, Any]) -> str:
    reason = output.get("decline_reason") or "not answered by the sources"
    return f"{reason[0].upper()}{reason[1:]}. Add documents that do: .venv/bin/steersman ingest PATH…"


def excerpt_of(passage: str, statements: Sequence[str]) -> str:
    """Return the part of a passage that the first of `statements` found in it comes from, on one line."""
    text = " ".join(passage.split())
    if len(text) <= EXCERPT:
        return text
    places = (text.find(" ".join(statement.split())[:40]) for statement in statements)
    found = next((place for place in places if place >= 0), 0)
    begin = 0 if found < EXCERPT // 3 else text.rfind(" ", 0, found - EXCERPT // 6) + 1
    part = text[begin : begin + EXCERPT]
    if begin + EXCERPT < len(text):
        part = part.rsplit(" ", 1)[0] + " …"
    return ("… " if begin else "") + part


def _source(source: Mapping[str, Any], statements: Sequence[Mapping[str, Any]]) -> Group:
    cited = [one["text"] for one in statements if source["number"] in one["sources"]]
    excerpt = excerpt_of(str(source["passage"]), cited)
    head = Text.assemble(
        (f" [{source['number']}] ", "bold"),
        (str(source["title"]), "bold"),
        (f"  {source['source_uri']}", "dim"),
    )
    trust = f"credibility {float(source['credibility']):.2f}: {source['credibility_reason']}"
    return Group(head, _indented(excerpt), _indented(trust, "dim"))


def _indented(text: str, style: str = "") -> Text:
    """Return text folded to the terminal behind an indent, without the blanks that rich puts at the ends of lines."""
    lines = textwrap.wrap(text, max(20, out.width - INDENT - 1), break_on_hyphens=False)
    return Text("\n".join(" " * INDENT + line for line in lines), style)


def _facts(task: Mapping[str, Any], output: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    quality = output.get("quality")
    if quality and not output.get("declined"):
        parts = ", ".join(f"{name} {quality[name]:.2f}" for name in ("grounding", "coverage", "clarity"))
        table.add_row(Text("quality", "dim"), f"{quality['score']:.2f}  ({parts})")
    agents = [f"{stage['agent']} ({stage['name']})" for stage in task["stages"] if stage["agent"]]
    table.add_row(Text("agents", "dim"), Text(", ".join(agents)))
    if output.get("models"):
        table.add_row(Text("models", "dim"), Text(", ".join(output["models"])))
    table.add_row(Text("latency", "dim"), f"{latency_s(task):.2f} s from request to answer")
    table.add_row(Text("cost", "dim"), f"{float(task['cost_usd']):.6f} USD, {task['tokens']} tokens")
    for note in output.get("notes", []):
        table.add_row(Text("note", "yellow"), Text(str(note)))
    return table


def moment(time: str) -> str:
    """Return an RFC 3339 time to the second, in UTC."""
    return datetime.fromisoformat(time).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def latency_s(task: Mapping[str, Any]) -> float:
    """Return the seconds from a task's acceptance to its end; 0 while it runs."""
    if not task.get("finished_at"):
        return 0.0
    ended = datetime.fromisoformat(task["finished_at"])
    return (ended - datetime.fromisoformat(task["created_at"])).total_seconds()


def line(text: str) -> None:
    """Print text as it is, on one line of its own however long."""
    out.print(text, markup=False, soft_wrap=True)


def problem(message: str, faults: Sequence[tuple[str, str]] = (), *, log: str = "", advice: str = "") -> None:
    """Print an error: what is wrong, in which fields, where the log is and what to do."""
    err.print(Text.assemble(("error: ", "bold red"), message))
    for field, reason in faults:
        err.print(Text.assemble("  ", (field, "bold"), f": {reason}"))
    if log:
        err.print(Text.assemble(("  log: ", "dim"), log))
    if advice:
        err.print(Text.assemble(("  do: ", "dim"), advice))

"""A task's progress, drawn from its events: one line for each stage, with a bar on a common time axis."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from steersman.cli import telling
from steersman.cli.width import natural_width

BAR = 28
ENDED = {"completed", "failed", "cancelled"}
LOOKS = {
    "pending": ("·", "dim"),
    "ready": ("○", "cyan"),
    "running": ("◐", "yellow"),
    "retrying": ("↻", "magenta"),
    "awaiting": ("◇", "blue"),
    "completed": ("●", "green"),
    "failed": ("✗", "bold red"),
    "skipped": ("∅", "dim"),
    "cancelled": ("⊘", "red"),
}


@dataclass
class StageProgress:
    """What is known of a stage; times are seconds since the task was submitted."""

    name: str
    needs: tuple[str, ...]
    status: str = "pending"
    agent: str = ""
    attempt: int = 1
    started_s: float | None = None
    ended_s: float | None = None
    note: str = ""


@dataclass
class TaskProgress:
    """A task as its events tell it."""

    task_id: str
    template: str
    stages: dict[str, StageProgress]
    began: datetime | None = None
    status: str = "pending"
    now_s: float = 0.0

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> "TaskProgress":
        stages = {
            stage["name"]: StageProgress(stage["name"], tuple(stage["needs"])) for stage in task["stages"]
        }
        return cls(task["id"], task["template"], stages, began=datetime.fromisoformat(task["created_at"]))

    def take(self, event: Mapping[str, Any]) -> str:
        """Apply a CloudEvent and return it as a line of text."""
        happened = event["type"].removeprefix("steersman.").removesuffix(".v1")
        at = datetime.fromisoformat(event["time"])
        self.began = self.began or at
        second = max(0.0, (at - self.began).total_seconds())
        self.now_s = max(self.now_s, second)
        noun, _, verb = happened.partition(".")
        if noun == "task":
            self.status = "running" if verb in {"submitted", "resumed", "rerun", "undoing"} else verb
        elif verb != "late":
            # A stage that undoes another is there only when its turn comes.
            stage = self.stages.setdefault(event["subject"], StageProgress(event["subject"], ()))
            _apply(stage, verb, event["data"], second)
        return f"{second:6.2f} s  {telling.words(event['subject'] or 'task', happened, event['data'])}"

    def draw(self, since_s: float = 0.0, *, width: int) -> Table:
        """Return the table of the stages as they stand, `since_s` seconds after the last event.

        Where `width` columns are too few, what each stage waits for is left out.
        """
        now_s = self.now_s if self.status in ENDED else self.now_s + since_s
        whole = self._table(now_s, needs=True)
        return whole if natural_width(whole) <= width else self._table(now_s, needs=False)

    def _table(self, now_s: float, *, needs: bool) -> Table:
        table = Table(box=None, padding=(0, 1), show_edge=False)
        titles = [("", ""), ("stage", "bold"), ("after", "dim"), ("agent", ""), ("try", "dim")]
        for title, style in titles if needs else [title for title in titles if title[0] != "after"]:
            table.add_column(title, style=style, no_wrap=True)
        table.add_column("time", justify="right", no_wrap=True)
        table.add_column(f"0 … {now_s:.2f} s", no_wrap=True, min_width=BAR)
        for stage in self.stages.values():
            glyph, style = LOOKS.get(stage.status, ("?", ""))
            table.add_row(
                Text(glyph, style),
                stage.name,
                *([", ".join(stage.needs)] if needs else []),
                stage.agent or stage.note,
                str(stage.attempt) if stage.started_s is not None else "",
                _seconds(stage, now_s),
                _bar(stage, now_s, style),
            )
        return table


def _apply(stage: StageProgress, verb: str, data: Mapping[str, Any], second: float) -> None:
    stage.status = {"started": "running", "spread": "running", "answered": "ready"}.get(verb, verb)
    stage.note = telling.note(verb, data) or stage.note
    stage.attempt = data.get("attempt") or stage.attempt
    stage.agent = data.get("agent") or stage.agent
    if verb == "started":
        stage.started_s, stage.ended_s = second, None
    elif verb in {"completed", "failed", "skipped", "cancelled", "retrying"}:
        stage.ended_s = second


def _seconds(stage: StageProgress, now_s: float) -> str:
    if stage.started_s is None:
        return ""
    return f"{(stage.ended_s if stage.ended_s is not None else now_s) - stage.started_s:.2f} s"


def _bar(stage: StageProgress, now_s: float, style: str) -> Text:
    if stage.started_s is None or now_s <= 0:
        return Text("")
    begin = int(BAR * stage.started_s / now_s)
    end = int(BAR * (stage.ended_s if stage.ended_s is not None else now_s) / now_s)
    begin = min(begin, BAR - 1)
    return Text(" " * begin + "━" * max(1, end - begin), style)

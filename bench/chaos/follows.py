"""What followers write down, and what is read out of it: by the one that goes on, and by the loader."""

from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from bench.chaos.history import Answer, Follow
from bench.chaos.journal import Record, read


@dataclass
class OpenFollow:
    """A task that is followed: `name` is of one follow alone, `cursor` is of its last answer."""

    name: str
    task_id: str
    cursor: str | None = None

    def taken_up(self, *, calm: bool) -> Record:
        """Return what is written down when a process begins with a follow, or goes on with it."""
        return {"follow": self.name, "task_id": self.task_id, "calm": calm}

    def answered(self, status: int, body: Record) -> Record:
        """Return what is written down of an answer."""
        record = {"follow": self.name, "status": status, "after": self.cursor}
        if status != 200:
            return record
        ids = [event["id"] for event in body["events"]]
        return {**record, "ids": ids, "cursor": body["cursor"], "ended": body["ended"]}


GIVEN_UP: Record = {"given_up": True}  # what was open before this line in a journal is followed no more


def left_open(journal: Path) -> list[OpenFollow]:
    """Return what the process that wrote the end of a journal was still following."""
    found: dict[str, OpenFollow] = {}
    for record in read(journal):
        if "given_up" in record:
            found.clear()
        elif "task_id" in record:
            found.setdefault(record["follow"], OpenFollow(record["follow"], record["task_id"]))
        elif record.get("ended"):
            found.pop(record["follow"], None)
        elif record["status"] == 200 and record["follow"] in found:
            found[record["follow"]].cursor = record["cursor"]
    return list(found.values())


@dataclass
class _Told:
    task_id: UUID
    answers: list[Answer] = field(default_factory=list)
    taken_up: int = 0
    refused: int = 0
    calm: bool = False


def follows(journal: Path) -> list[Follow]:
    """Return every follow of a journal, with its answers in their order."""
    found: dict[str, _Told] = {}
    for record in read(journal):
        if "task_id" in record:
            told = found.setdefault(record["follow"], _Told(UUID(record["task_id"])))
            told.taken_up += 1
            told.calm = told.calm or record["calm"]
        elif record.get("status") == 200:
            found[record["follow"]].answers.append(Answer(tuple(record["ids"]), record["ended"]))
        elif "status" in record:
            found[record["follow"]].refused += 1
    return [Follow(name=name, **vars(told)) for name, told in found.items()]

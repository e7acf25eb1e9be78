"""Followers of a chaos run: what they write down is read back, and what they were told wrongly is found."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bench.chaos.checker import check_task
from bench.chaos.follower import Follower
from bench.chaos.follows import GIVEN_UP, OpenFollow, follows, left_open
from bench.chaos.history import Answer, Follow, Line, TaskHistory
from bench.chaos.journal import Journal, read
from bench.chaos.run_folder import Run
from tests.unit.bench.sound_history import LOG, TASK, ids, task

SOUND = task()
(FOLLOWED,) = SOUND.follows
ALL = ids(LOG)
LATE = Line(19, "left", "stage.late", 2)


def rules(*answers: Sequence[str], history: TaskHistory = SOUND, **changes: Any) -> set[str]:
    """Return the rules that are broken when a follower was given these answers, the last of them with the end."""
    told = [Answer(one, ended=place == len(answers)) for place, one in enumerate(answers, 1)]
    broken = replace(history, follows=[replace(FOLLOWED, answers=told or FOLLOWED.answers, **changes)])
    return {finding.rule for finding in check_task(broken)}


@pytest.mark.parametrize("answers", [[ALL], [ALL[:4], ALL], [ALL[3:], ALL[:3]], [ALL[:9], (), ALL[9:]]])
def test_every_event_in_any_number_of_answers_is_in_order(answers: list[Sequence[str]]) -> None:
    """Events may come again, and those of one answer before those of another: only none may be missing."""
    assert rules(*answers) == set()


@pytest.mark.parametrize("missed", range(len(ALL)))
def test_an_event_that_a_follower_missed_is_found(missed: int) -> None:
    """A follower that was told the end and never a line of the log, whichever, is reported with that line."""
    assert rules(ALL[:missed], ALL[missed + 1 :]) == {"followers miss nothing"}


def test_a_late_result_is_due_before_the_end_only() -> None:
    """A late result that was logged after the end may be missing; one that was logged before may not."""
    (late,) = (place for place, line in enumerate(LOG) if line.event == "stage.late")
    assert rules(ALL, history=replace(SOUND, log=[*LOG, LATE])) <= {"the stream agrees"}
    assert "followers miss nothing" in rules(ALL[:late] + ALL[late + 1 :])


def test_a_follow_that_was_given_up_need_not_be_whole() -> None:
    """A follower that was killed before the end, and replaced by one that began with other tasks, missed nothing."""
    cut = [Answer(ALL[:2], ended=False)]
    assert rules(calm=False) == set()
    history = replace(SOUND, follows=[replace(FOLLOWED, answers=cut, calm=False)])
    assert list(check_task(history)) == []


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("odd", [f"{TASK}-99", f"{UUID(int=8)}-3"])
def test_an_event_that_never_happened_is_found(odd: str, ended: bool) -> None:
    """An event of a line that the log lacks, or of another task, is reported, whether the end was told or not."""
    follow = replace(FOLLOWED, answers=[Answer(ALL, ended=ended), Answer((odd,), ended=False)], calm=False)
    found = {finding.rule for finding in check_task(replace(SOUND, follows=[follow]))}
    assert found == {"followers are told what happened"}


def test_an_answer_out_of_order_is_found() -> None:
    """Events of one answer in another order than that of their ids, or twice in it, are reported."""
    swapped = (*ALL[:2], ALL[3], ALL[2], *ALL[4:])
    assert rules(swapped) == {"an answer is in order"}
    assert rules((ALL[0], *ALL)) == {"an answer is in order"}


def test_ids_are_ordered_as_numbers() -> None:
    """The tenth line comes after the ninth, not after the first."""
    assert rules((ALL[8], ALL[9]), ALL) == set()


def test_an_end_that_was_never_told_is_found() -> None:
    """A follower that asked through the calm and was never told the end is reported, though it saw every event."""
    never = [Answer(ALL, ended=False), Answer((), ended=False)]
    found = {
        finding.rule for finding in check_task(replace(SOUND, follows=[replace(FOLLOWED, answers=never)]))
    }
    assert found == {"followers are told the end"}
    silent = replace(FOLLOWED, answers=[])
    assert "followers are told the end" in {one.rule for one in check_task(replace(SOUND, follows=[silent]))}


def test_an_end_that_is_made_up_is_found() -> None:
    """A follower that was told an end of a task whose log has none is reported."""
    assert "no end is made up" in rules(ALL[:-1], history=replace(SOUND, log=LOG[:-1]))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(
        folder=tmp_path,
        seed=7,
        tasks=1,
        storm_s=1.0,
        began=0.0,
        began_at=0.0,
        database_url="",
        redis_url="",
        sqs_url="",
    )


def body(*numbers: int, cursor: str = "", ended: bool = False) -> dict[str, Any]:
    return {
        "events": [{"id": f"{TASK}-{number}"} for number in numbers],
        "cursor": cursor,
        "ended": ended,
    }


def test_a_journal_gives_back_what_followers_were_told(run: Run) -> None:
    """Answers, refusals and the processes that went on with a follow are read out of the journal as they were."""
    path, follow = run.journal("follower-0"), OpenFollow("follower-0-1-1", str(TASK))
    Journal(path).write(
        follow.taken_up(calm=False), follow.answered(200, body(1, 2)), follow.answered(503, {})
    )
    Journal(path).write(follow.taken_up(calm=True), follow.answered(200, body(3, ended=True)))
    told = [Answer(ids(LOG[:2]), ended=False), Answer(ids(LOG[2:3]), ended=True)]
    expected = Follow(name=follow.name, task_id=TASK, answers=told, taken_up=2, refused=1, calm=True)
    assert follows(path) == [expected]


def test_who_goes_on_has_the_last_cursor_of_what_is_open(run: Run) -> None:
    """Left open is what was begun, not ended and not given up since; each with the cursor of its last answer."""
    path = run.journal("follower-0")
    old, ended, fresh, going = (OpenFollow(name, str(TASK)) for name in ("old", "ended", "fresh", "going"))
    Journal(path).write(old.taken_up(calm=False), old.answered(200, body(1, cursor="old")), GIVEN_UP)
    Journal(path).write(*(one.taken_up(calm=False) for one in (ended, fresh, going)))
    Journal(path).write(ended.answered(200, body(cursor="x", ended=True)), fresh.answered(503, {}))
    Journal(path).write(going.answered(200, body(1, cursor="a")), going.answered(200, body(cursor="b")))
    Journal(path).write(going.answered(503, {}))
    assert left_open(path) == [
        OpenFollow("fresh", str(TASK), None),
        OpenFollow("going", str(TASK), "b"),
    ]


@pytest.mark.parametrize("calm", [True, False])
def test_a_killed_follower_s_place_goes_on_or_begins_anew_by_the_seed(run: Run, calm: bool) -> None:
    """In a storm some lives go on and some give up what was open, the same ones again; in the calm all go on."""

    def goes_on(life: int) -> bool:
        path = run.journal("follower-0")
        path.unlink(missing_ok=True)
        follow = OpenFollow("follower-0-1-1", str(TASK))
        Journal(path).write(follow.taken_up(calm=False))
        Follower(run, f"follower-0-{life}", 0, calm=calm)
        last = list(read(path))[-1]
        assert last in (GIVEN_UP, follow.taken_up(calm=calm))
        return last != GIVEN_UP

    first = [goes_on(life) for life in range(20)]
    assert first == [goes_on(life) for life in range(20)]
    assert set(first) == ({True} if calm else {True, False})

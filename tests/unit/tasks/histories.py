"""What the log of every task must say, whatever happened to it."""

from collections.abc import Iterable

from tests.unit.tasks.dags import Dag

Event = tuple[
    str, str | None, int | None
]  # what happened, to which stage (None: to the task), at which attempt


def check_history(dag: Dag, events: Iterable[Event]) -> None:
    """Hold a task's whole log, in its order, to what is promised of every task, whatever happened to it."""
    needs = {node.name: node.needs for node in dag.nodes}
    most = {node.name: node.max_attempts for node in dag.nodes}
    log = list(events)
    assert log[0] == ("task.submitted", None, None)
    ends = [event for event, stage, _ in log if stage is None][1:]
    assert len(ends) == 1, f"a task ends once: {ends}"
    last, ended, freed, started = "", set[str](), set[str](), set[tuple[str, int]]()
    for event, stage, attempt in log[1:]:
        if stage is None:
            last = event
            continue
        assert not last or event == "stage.late", f"{event} of {stage} after {last}"
        if event == "stage.ready":
            assert stage not in freed, f"{stage} was released twice"
            freed.add(stage)
        elif event == "stage.started" and attempt is not None:
            assert stage in freed, f"{stage} started before it was released"
            assert stage not in ended, f"{stage} started after its end"
            assert ended.issuperset(needs[stage]), f"{stage} started before its needs"
            assert (stage, attempt) not in started, f"attempt {attempt} of {stage} started twice"
            started.add((stage, attempt))
        elif event == "stage.retrying" and attempt is not None:
            assert attempt < most[stage], f"{stage} is tried more often than allowed"
        elif event != "stage.late":
            assert stage not in ended, f"{stage} ended twice"
            ended.add(stage)
    assert ended == set(needs), f"never ended: {sorted(set(needs) - ended)}"

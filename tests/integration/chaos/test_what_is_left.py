"""What a run of chaos says of work that does not come to rest."""

from bench.chaos.storm import left_of_work
from tests.fixtures.engine import Rig, stage


def test_open_tasks_are_named_with_their_stages(rig: Rig) -> None:
    """A run that does not come to rest names its open tasks, whether they are paused, and their stages."""
    task_id, paused = rig.submit(rig.publish([stage("a"), stage("b", "a")], name="sample"), count=2)
    rig.database.run(
        """UPDATE task_histories SET paused = '{"by": "test"}' WHERE id = %(id)s""", {"id": paused}
    )
    assert left_of_work(rig.database) == [
        f"task {task_id} of sample, pending: a ready, b pending",
        f"task {paused} of sample, pending, paused: a ready, b pending",
    ]

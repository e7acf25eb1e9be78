"""A late result in a batch that fails its task."""

from uuid import UUID

from steersman.tasks import attempt_store
from steersman.tasks.attempt_store import Lease, Outcome
from tests.fixtures.engine import Rig, stage


def test_a_late_result_is_logged_though_its_batch_fails_the_task(rig: Rig) -> None:
    """A result whose lease went to another is recorded as late, even where the same batch cancels the stage."""
    plan = rig.publish([stage("a"), stage("b")], output="a")
    (task_id,) = rig.submit(plan)

    def claim(name: str, lease: int) -> None:
        wanted = Lease(task_id=task_id, stage=name, attempt=1, lease_id=UUID(int=lease))
        assert attempt_store.claim(rig.database, [wanted], lease_s=60)

    claim("a", 1)
    rig.database.run("UPDATE task_stages SET lease_expires_at = now() - interval '1 s' WHERE name = 'a'")
    claim("a", 2)
    claim("b", 3)
    slow = Outcome(task_id=task_id, stage="a", lease_id=UUID(int=1), decision=plan.completed("a", {}))
    fatal = Outcome(task_id=task_id, stage="b", lease_id=UUID(int=3), decision=plan.fatal({"code": "x"}))
    attempt_store.complete(rig.database, [slow, fatal])
    assert "stage.late:a" in rig.events(task_id)

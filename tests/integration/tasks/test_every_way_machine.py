"""The engine on tasks of every kind of stage through all that can happen to them, held after each step to what is to
hold whatever happens."""

import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from steersman.aws.queues import Job
from tests.fixtures.engine import Rig
from tests.integration.tasks.ways_world import World
from tests.unit.tasks.world import some

MANY = 10_000
MOST_TASKS = 6
MOST_OPEN = 4  # when more are accepted: else there is enough to do
POINTS = (
    "engine.received",
    "engine.claimed",
    "engine.ran",
    "engine.completed",
    "engine.sent",
    "engine.published",
    "engine.published",  # it has told nobody of the ends of tasks
    "families.spread",
)
seeds = st.integers(0, 2**32)
sizes = st.one_of(st.integers(1, 3), st.integers(1, 100))


class EveryWay(RuleBasedStateMachine):
    """Tasks with workers that die, messages that are lost and come again, and people who steer."""

    def __init__(self, rig: Rig, client: redis.Redis) -> None:
        super().__init__()
        self.world = World(rig, client)
        self.stops_left = self.reruns_left = 0

    @initialize(
        drawn=st.lists(seeds, min_size=2, max_size=3), stops=st.integers(0, 2), reruns=st.integers(0, 2)
    )
    def begin(self, drawn: list[int], stops: int, reruns: int) -> None:
        """Accept the first tasks; at most `stops` are cancelled, and `reruns` run again."""
        self.stops_left, self.reruns_left = stops, reruns
        for seed in drawn:
            self.world.submit(seed)

    @precondition(lambda self: len(self.world.seeds) < MOST_TASKS and len(self.world.open()) < MOST_OPEN)
    @rule(seed=seeds)
    def submit(self, seed: int) -> None:
        """A task is accepted while others are under way."""
        self.world.submit(seed)

    @precondition(lambda self: self.world.waiting)
    @rule(seed=seeds, size=sizes)
    def deliver(self, seed: int, size: int) -> None:
        """Messages arrive, in any order, some of them twice."""
        jobs = self.world.take(seed, size)
        self.world.deliver([*jobs, *some(jobs, size // 3, seed)])

    @precondition(lambda self: self.world.waiting)
    @rule(batches=st.integers(1, 2))
    def deliver_all(self, batches: int) -> None:
        """All that waits is one batch, and what comes of it the next."""
        for _ in range(batches):
            self.world.deliver(self.world.take(0, len(self.world.waiting)))
            self.world.look()

    @rule(seed=seeds, size=sizes, early=st.booleans())
    def deliver_strangely(self, seed: int, size: int, early: bool) -> None:
        """Messages that came long ago come again; or such as nobody sent, for stages whose needs are still open."""
        pending = [Job(*place, 1) for place in self.world.stages("pending")]
        self.world.deliver(some(pending if early else self.world.sent, size, seed))

    @precondition(lambda self: self.world.waiting)
    @rule(seed=seeds, size=sizes, point=st.sampled_from(POINTS), back=st.booleans())
    def die(self, seed: int, size: int, point: str, back: bool) -> None:
        """A worker dies at its work; its messages come back, or they are lost."""
        jobs = self.world.take(seed, size)
        self.world.deliver_until(jobs, point, lambda: None, dies=True)
        self.world.waiting += jobs if back else []

    @precondition(lambda self: self.world.waiting)
    @rule(seed=seeds, size=sizes, point=st.sampled_from(["engine.published", "engine.claimed"]))
    def outlive(self, seed: int, size: int, point: str) -> None:
        """While agents are at work their leases run out, and others do the same again, or die of it."""
        jobs = self.world.take(seed, size)

        def others() -> None:
            self.world.expire(seed, MANY)
            self.world.deliver_until(jobs, point, lambda: None, dies=True)

        self.world.meanwhile = others
        self.world.deliver(jobs)
        self.world.meanwhile = None

    @precondition(lambda self: self.world.waiting)
    @rule(seed=seeds, size=sizes, point=st.sampled_from(POINTS), stop=st.booleans())
    def steer_meanwhile(self, seed: int, size: int, point: str, stop: bool) -> None:
        """While a worker is at work somebody pauses or cancels a task."""

        def steer() -> None:
            self.cancel(seed) if stop and self.stops_left else self.pause(seed, template=False)

        self.world.deliver_until(self.world.take(seed, size), point, steer, dies=False)

    @precondition(lambda self: self.world.stages("running"))
    @rule(seed=seeds, size=st.integers(1, 5))
    def expire(self, seed: int, size: int) -> None:
        """Leases of dead workers run out."""
        self.world.expire(seed, size)

    @precondition(lambda self: self.world.stages("awaiting"))
    @rule(seconds=st.sampled_from([40.0, 1000.0]))
    def pass_time(self, seconds: float) -> None:
        """Time goes by for what waits."""
        self.world.pass_time(seconds)

    @precondition(lambda self: self.world.questions())
    @rule(seed=seeds, size=sizes, approved=st.booleans())
    def answer(self, seed: int, size: int, approved: bool) -> None:
        """People answer, yes or no."""
        for place in some(self.world.questions(), size, seed):
            self.world.answer(place, approved)

    @precondition(lambda self: self.world.open())
    @rule(seed=seeds, template=st.booleans())
    def pause(self, seed: int, template: bool) -> None:
        """A task is paused with those that it started, or a template is."""
        found = self.world.open()
        names = dict.fromkeys(self.world.seen.tasks[one]["template_name"] for one in found)
        for name in some(list(names), int(template), seed):
            self.world.pause_template(name)
        for task_id in some(
            [one for one in found if seed % 2 or one in self.world.seeds], int(not template), seed
        ):
            self.world.pause(task_id)

    @precondition(
        lambda self: self.world.paused_templates or self.world.paused.intersection(self.world.open())
    )
    @rule(seed=seeds, size=sizes)
    def resume(self, seed: int, size: int) -> None:
        """Paused tasks and templates go on."""
        for name in some(sorted(self.world.paused_templates), size, seed):
            self.world.resume_template(name)
        for task_id in some([one for one in self.world.open() if one in self.world.paused], size, seed):
            self.world.resume(task_id)

    @precondition(lambda self: self.stops_left and self.world.open())
    @rule(seed=seeds)
    def cancel(self, seed: int) -> None:
        """A person cancels a task, perhaps one that another started."""
        self.stops_left -= 1
        for task_id in some(self.world.begun(), 1, seed):
            self.world.cancel(task_id)

    @precondition(lambda self: self.reruns_left)
    @rule(seed=seeds, size=st.integers(1, 2))
    def end_and_rerun(self, seed: int, size: int) -> None:
        """All ends, and a task runs again from some of its stages."""
        self.reruns_left -= 1
        self.world.end()
        for task_id in some(list(self.world.seeds), 1, seed):
            self.world.rerun(task_id, seed, size)

    @precondition(lambda self: len(self.world.seen.tasks) > len(self.world.seeds))
    @rule(seed=seeds)
    def rerun_what_cannot(self, seed: int) -> None:
        """What is open, or was started by another task, does not run again."""
        cannot = [
            one for one in self.world.seen.tasks if one not in self.world.seeds or one in self.world.open()
        ]
        for task_id in some(cannot, 1, seed):
            assert not self.world.runs_again(task_id, list(self.world.seen.stages[task_id])[:1])

    @rule(point=st.sampled_from(["", "", "sweep.found", "sweep.sent"]))
    def sweep(self, point: str) -> None:
        """The schedule comes by; its worker may die."""
        self.world.sweep(point)

    @invariant()
    def look(self) -> None:
        """What can be seen is what may be."""
        self.world.look()

    def teardown(self) -> None:
        try:
            if self.world.holds:  # else the reason is known
                self.world.end()
                self.world.hold_ends()
        finally:
            self.world.close()


def test_every_way_keeps_what_is_promised_whatever_happens(rig: Rig, redis_client: redis.Redis) -> None:
    """Whatever workers, messages, people and the clock do, tasks keep to their templates, stand still, and end."""
    run_state_machine_as_test(
        lambda: EveryWay(rig, redis_client),  # type: ignore[arg-type]  # a factory serves too
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],  # to shrink on a database takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )

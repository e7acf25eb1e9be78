"""A machine that does to tasks all that can be done to them, in any order, and holds what it sees to the model."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.tasks.carrier import Carrier
from tests.unit.tasks.dags import Dag, dags
from tests.unit.tasks.world import World, some

MOST_TASKS = 4
seeds = st.integers(0, 2**32)
batches = st.one_of(st.integers(1, 3), st.integers(1, 100))
moods = st.sampled_from(["steady", "flaky", "flaky", "failing"])


class TaskMachine(RuleBasedStateMachine):
    """Tasks with workers that are slow, die, answer twice and late, messages that are lost and come again."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__()
        self.world = World(carrier)
        self.ends_left = 0

    @initialize(drawn=st.lists(dags(), min_size=1, max_size=2), ends=st.integers(0, 3))
    def begin(self, drawn: list[Dag], ends: int) -> None:
        """Accept the first tasks; at most `ends` will be ended from outside."""
        self.ends_left = ends
        for dag in drawn:
            self.submit(dag)

    @precondition(lambda self: len(self.world.models) < MOST_TASKS)
    @rule(dag=dags())
    def submit(self, dag: Dag) -> None:
        """A task is accepted while others are under way."""
        self.world.submit(dag)

    @precondition(lambda self: self.world.waiting)
    @rule(seed=seeds, size=batches)
    def deliver(self, seed: int, size: int) -> None:
        """Messages arrive, in any order."""
        self.world.do(self.world.delivery(seed, size))

    @precondition(lambda self: self.world.waiting)
    @rule(seed=seeds, size=batches)
    def deliver_and_keep(self, seed: int, size: int) -> None:
        """Messages arrive, and will arrive again."""
        again = list(self.world.waiting)
        self.world.do(self.world.delivery(seed, size))
        self.world.waiting = again

    @rule(seed=seeds, size=batches)
    def deliver_again(self, seed: int, size: int) -> None:
        """Messages that came long ago come again, after their stage's or task's end too."""
        self.world.do(self.world.claiming(some(self.world.sent, size, seed)))

    @rule(seed=seeds, size=st.integers(1, 3), attempt=st.integers(1, 3))
    def deliver_early(self, seed: int, size: int, attempt: int) -> None:
        """Messages come that nobody sent, for stages whose needs are still open: none may start."""
        pending = [
            (task, name, attempt)
            for task, model in enumerate(self.world.models)
            for name in model.stages
            if model.status(name) == "pending"
        ]
        self.world.do(self.world.claiming(some(pending, size, seed)))

    @precondition(lambda self: self.world.held)
    @rule(seed=seeds, size=batches, mood=moods)
    def finish(self, seed: int, size: int, mood: str) -> None:
        """Workers report results; some of them have lost their lease meanwhile."""
        self.world.do(self.world.report(seed, size, mood))

    @precondition(lambda self: self.world.waiting)
    @rule(seed=seeds, size=batches, mood=moods)
    def work(self, seed: int, size: int, mood: str) -> None:
        """A batch as the engine does it: claim, run, complete."""
        known = len(self.world.held)
        self.world.do(self.world.delivery(seed, size))
        granted, self.world.held = self.world.held[known:], self.world.held[:known]
        self.world.do(self.world.finishing(granted, seed, mood))

    @precondition(lambda self: self.world.reported)
    @rule(seed=seeds, size=batches, mood=moods)
    def report_again(self, seed: int, size: int, mood: str) -> None:
        """Workers report once more, something else even: the first report has counted."""
        self.world.do(self.world.finishing(some(self.world.reported, size, seed), seed, mood))

    @precondition(lambda self: self.world.held)
    @rule(seed=seeds, size=st.integers(1, 5))
    def claim_again(self, seed: int, size: int) -> None:
        """Workers that never heard the answer to their claim ask for the same lease again."""
        self.world.do(self.world.claiming_again(some(self.world.held, size, seed)))

    @precondition(lambda self: self.world.held)
    @rule(seed=seeds, size=st.integers(1, 5))
    def crash(self, seed: int, size: int) -> None:
        """Workers die with what they hold: their leases stay."""
        for item in some(self.world.held, size, seed):
            self.world.held.remove(item)

    @rule(seed=seeds, size=st.integers(1, 5))
    def expire(self, seed: int, size: int) -> None:
        """Leases run out, whether their workers are dead or slow."""
        for task, stage in some(self.world.running(), size, seed):
            self.world.expire(task, stage)

    @precondition(lambda self: self.world.held)
    @rule(seed=seeds, mood=moods)
    def outlive(self, seed: int, mood: str) -> None:
        """Slow workers lose their leases to others, who are at work when the slow ones report."""
        slow = list(self.world.held)
        for task, stage in self.world.running():
            self.world.expire(task, stage)
        self.world.do(self.world.claiming(self.world.sent))
        # Who has reported asks for no lease again: it had its answer.
        self.world.held = [item for item in self.world.held if item not in slow]
        self.world.do(self.world.finishing(slow, seed, mood))

    @precondition(lambda self: self.world.waiting)
    @rule(seed=seeds, size=batches)
    def lose(self, seed: int, size: int) -> None:
        """Messages are lost: a send failed after its commit, or the queue was emptied."""
        for message in some(self.world.waiting, size, seed):
            self.world.waiting.remove(message)

    @rule()
    def sweep(self) -> None:
        """The schedule finds what was stranded, ends what is overdue and sends the rest again."""
        self.world.sweep()

    @precondition(lambda self: self.ends_left)
    @rule(seed=seeds)
    def cancel(self, seed: int) -> None:
        """A person cancels a task, one that has ended perhaps."""
        self.ends_left -= 1
        self.world.do(self.world.stopping(some(range(len(self.world.models)), 1, seed), "cancelled"))

    @precondition(lambda self: self.ends_left)
    @rule(seed=seeds)
    def pass_deadline(self, seed: int) -> None:
        """A task's deadline passes; what is claimed from now on ends it, or the sweep does."""
        self.ends_left -= 1
        still_open = [task for task, model in enumerate(self.world.models) if not model.end]
        for task in some(still_open, 1, seed):
            self.world.pass_deadline(task)
        self.world.do(self.world.delivery(seed, seed % 100))

    @invariant()
    def agree(self) -> None:
        """Statuses, attempts, open needs, output and tokens of every task are those of the model."""
        self.world.agree()

    def teardown(self) -> None:
        try:
            if self.world.agrees:  # else the reason is known
                self.world.end_all()
        finally:
            self.world.carrier.close()

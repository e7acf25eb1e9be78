"""The gate between claimed attempts and their agents: those for which a limit leaves no place are put back."""

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from steersman.aws.queues import Delivery, Job, StageQueues
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.tasks import attempt_store
from steersman.tasks.attempt_store import Outcome
from steersman.tasks.limits import Admission, Limits, Refused
from steersman.tasks.resending import Warn

if TYPE_CHECKING:
    from steersman.tasks.attempts import Attempt, Choice

PUT_BACK_S = 240.0  # how much longer than others the sweep leaves alone what waits for a place
AGAIN_S = (5, 15)  # after how long it is sent again where the cache cannot tell when there is one

Address = Callable[["Attempt", Job], Delivery]  # makes what sends a job, of the attempt at its task's stage


class Gate:
    """Lets attempts pass to their agents, or puts them back to wait."""

    def __init__(
        self, database: Database, queues: StageQueues, limits: Limits, warn: Warn, rng: random.Random
    ) -> None:
        self._database = database
        self._queues = queues
        self._limits = limits
        self._warn = warn
        self._rng = rng

    def admit(self, choice: "Choice", address: Address) -> Admission | None:
        """Leave in `choice` the attempts that may run and put the others back; None where nothing is limited.

        No round trip where nothing is limited, else one; where attempts are put back, two more and what is sent.
        """
        if not self._limits.concern(choice.agents(), choice.projects()):
            return None
        admission = self._limits.admit(choice.chosen())
        choice.regroup(admission.running)
        if admission.refused:
            try:
                self._queues.send(self._put_back(admission, address))
            except Unavailable as exc:
                # The sweep finds them; the others of the batch need not wait for that.
                self._warn("what waits for a place was not put back", {"reason": exc.message})
        return admission

    def keep(self, admission: Admission) -> None:
        """Keep the places of attempts whose agents are still at work."""
        self._limits.keep(admission)

    def give_way(
        self, admissions: Sequence[Admission], gone: Sequence[Job], outcomes: Sequence[Outcome]
    ) -> None:
        """Give back the places of a batch, and those kept for jobs that need none (`gone`, and what failed without an
        agent); send what waited for them. Raises Unavailable when it cannot be sent.
        """
        failed = [one for one in outcomes if one.decision.ends_badly and one.agent_id is None]
        needless = [*gone, *(Job(one.task_id, one.stage, one.attempt or 1) for one in failed)]
        if needless and not self._limits.exist():
            needless = []
        if admissions or needless:
            first = admissions[0] if admissions else None
            others = [sent for one in admissions[1:] for sent in self._limits.leave(one, ())]
            self._queues.send([*self._limits.leave(first, needless), *others])

    def _put_back(self, admission: Admission, address: Address) -> list[Delivery]:
        """Give up the leases of attempts, and have them wait for a place; return what is to be sent."""
        refused = admission.refused
        leases = [(one.attempt.lease, one.called) for one in refused]
        rows = attempt_store.put_back(self._database, leases, patience_s=PUT_BACK_S)
        ours = {(row["task_id"], row["stage"]) for row in rows}
        waiting: list[tuple[Refused, Delivery]] = []
        for one in refused:
            job = one.attempt.job
            if (job.task_id, job.stage) in ours:
                waiting.append((one, address(one.attempt, Job(job.task_id, job.stage, job.attempt))))
        try:
            return self._limits.wait(admission, waiting)
        except Unavailable as exc:
            self._warn("limits are not kept", {"reason": exc.message})
            return [sent._replace(delay_s=self._rng.randint(*AGAIN_S)) for _, sent in waiting]

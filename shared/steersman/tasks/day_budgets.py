"""The budgets of the day as a worker knows them: which projects' stages wait because theirs is spent."""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from types import MappingProxyType
from uuid import UUID

from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.projects import limits_store
from steersman.projects.limits import KnownLimits
from steersman.tasks import budgets
from steersman.tasks.attempts import Attempt
from steersman.tasks.ways import Awaiting

FRESH_S = 5.0  # how long workers may go on by what was spent then
NONE: Mapping[str, Awaiting] = MappingProxyType({})


class DayBudgets:
    """Says who waits. That a budget is not spent is believed for `fresh_s`; that one is spent is read each time, so
    that nobody waits for a budget which was just raised.
    """

    def __init__(
        self,
        database: Database,
        projects: KnownLimits,
        *,
        fresh_s: float = FRESH_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._database = database
        self._projects = projects
        self._fresh_s = fresh_s
        self._clock = clock
        self._unspent_until: dict[str, float] = {}

    def spent(self, attempts: Sequence[Attempt]) -> Mapping[str, Awaiting]:
        """Return how the attempts of each project (its id as a text) wait whose budget of the day is spent.

        Costs nothing where no project has such a budget, else at most one round trip. Without PostgreSQL nobody waits.
        """
        limited = self._projects.by_day()
        if not limited:
            return NONE
        now = self._clock()
        asked = [
            project
            for project in {attempt.row["project_id"] for attempt in attempts} & limited
            if self._unspent_until.get(project, now) <= now
        ]
        if not asked:
            return NONE
        try:
            days = limits_store.days(self._database, map(UUID, asked))
        except Unavailable:
            return NONE  # what the batch does next will say so
        spent = {}
        for day in days:
            if waits := budgets.of_day(day):
                spent[str(day["project_id"])] = waits
            else:
                self._unspent_until[str(day["project_id"])] = now + self._fresh_s
        return spent

"""Rules on a project's budget of the day: what is spent stops what has not begun, what is not spent stops nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bench.chaos.history import Finding, Order, RunHistory, TaskHistory

MARGIN_S = 2.0  # for what was being stored, or had just been read
FOR_EVER = float("inf")


@dataclass(frozen=True)
class _Spending:
    at: float
    usd: Decimal
    tokens: int


@dataclass(frozen=True)
class _Sum:
    usd: Decimal
    tokens: int

    def reaches(self, order: Order) -> bool:
        limits = order.limits or {}
        usd, tokens = limits.get("usd_per_day"), limits.get("tokens_per_day")
        return (usd is not None and self.usd >= Decimal(usd)) or (
            tokens is not None and self.tokens >= tokens
        )


def spent_days_stop(run: RunHistory) -> Iterator[Finding]:
    """No stage begins once its project's budget of the day is spent and every worker has heard of it."""
    for project in _limited(run):
        tasks = [task for task in run.tasks if task.row.project == project]
        intervals = list(_spent(run, project, tasks))
        for task in tasks:
            claimed = {
                (line.stage, line.attempt): line.at for line in task.log if line.event == "stage.started"
            }
            for ran in task.executions:
                at = claimed.get((ran.stage, ran.attempt), FOR_EVER)
                known = run.terms.known_s + MARGIN_S
                late = any(since + known < at and ran.began_at < until for since, until in intervals)
                if late and not _unknown(run, at):
                    evidence = f"{ran.stage} attempt {ran.attempt} began at {ran.began_at:.3f}"
                    yield Finding(task.subject, "a spent budget of the day stops what follows", evidence)


def unspent_days_stop_nothing(run: RunHistory) -> Iterator[Finding]:
    """No stage waits for a budget of the day of which not everything was spent."""
    for project in _limited(run):
        tasks = [task for task in run.tasks if task.row.project == project]
        spendings = list(_spendings(tasks))
        for task in tasks:
            claimed: dict[str | None, float] = {}
            for line in task.log:
                if line.event == "stage.started":
                    claimed[line.stage] = line.at
                if line.event == "stage.awaiting" and line.detail.get("scope") == "project_day":
                    since = claimed.get(line.stage, line.at) - MARGIN_S
                    if not _may_be_spent(run, project, spendings, since, line.at + MARGIN_S):
                        evidence = f"{line} had to wait: {line.detail.get('reason')}"
                        yield Finding(task.subject, "an unspent budget stops nothing", evidence)


def _limited(run: RunHistory) -> list[str]:
    return sorted({order.name or "" for order in _orders(run)})


def _orders(run: RunHistory, project: str | None = None) -> list[Order]:
    """Return the orders that set limits, and may have taken effect."""
    return [
        order
        for order in run.orders
        if order.what == "limit" and order.status in {None, 200, 503} and project in {None, order.name}
    ]


def _spendings(tasks: Sequence[TaskHistory]) -> Iterator[_Spending]:
    """Yield what results cost, when they were stored: that of late and lost attempts is not counted."""
    for task in tasks:
        ran = {(one.stage, one.attempt): one for one in task.executions if one.answer == "ok"}
        for line in task.log:
            one = ran.get((line.stage or "", line.attempt or 0))
            if line.event == "stage.completed" and one is not None:
                yield _Spending(line.at, one.cost_usd, one.tokens)


def _spent(run: RunHistory, project: str, tasks: Sequence[TaskHistory]) -> Iterator[tuple[float, float]]:
    """Yield when a budget was spent for certain: from a result on until somebody may have changed it, or midnight."""
    spendings = sorted(_spendings(tasks), key=lambda one: one.at)
    nights = [(one.since, one.until) for one in run.incidents if one.kind == "midnight"]
    orders = sorted(_orders(run, project), key=lambda order: order.asked_at)
    for number, order in enumerate(orders):
        if order.status != 200 or order.answered_at is None:
            continue
        changed_at = min((one.asked_at for one in orders[number + 1 :]), default=FOR_EVER)
        for morning, evening in zip(
            [0.0, *(end for _, end in nights)], [*(at for at, _ in nights), FOR_EVER], strict=True
        ):
            usd, tokens = Decimal(0), 0
            since, until = max(morning, order.answered_at), min(evening, changed_at)
            for one in spendings:
                if morning + MARGIN_S <= one.at < until:
                    usd, tokens = usd + one.usd, tokens + one.tokens
                    if _Sum(usd, tokens).reaches(order):
                        yield max(one.at, since), until
                        break


def _may_be_spent(
    run: RunHistory, project: str, spendings: Sequence[_Spending], since: float, until: float
) -> bool:
    """Say whether any limit that may have held in some moment of an interval may have been reached then."""
    nights = [one.since for one in run.incidents if one.kind == "midnight" and one.until < since]
    day = [one for one in spendings if max(nights, default=0.0) - MARGIN_S <= one.at <= until]
    most = _Sum(sum((one.usd for one in day), Decimal(0)), sum(one.tokens for one in day))
    orders = sorted(_orders(run, project), key=lambda order: order.asked_at)
    for number, order in enumerate(orders):
        # It was in force until another one was certainly stored, or was given up and nobody knows.
        ends = [one.answered_at for one in orders[number + 1 :] if one.status == 200 and one.answered_at]
        replaced = order.status == 200 and min(ends, default=FOR_EVER) < since
        if order.asked_at <= until and not replaced and most.reaches(order):
            return True
    return False


def _unknown(run: RunHistory, at: float) -> bool:
    """Say whether PostgreSQL was away just after a claim: then nobody knows what was spent, and nobody waits."""
    return any(
        one.since - MARGIN_S < at < one.until + MARGIN_S
        for one in run.incidents
        if one.kind == "restart_postgres"
    )


RULES = (spent_days_stop, unspent_days_stop_nothing)

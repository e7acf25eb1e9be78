"""Running claimed attempts: choose an agent for each, call the agents concurrently, decide what follows."""

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache, partial
from math import ceil
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

from steersman.agents import selection
from steersman.agents.job import Provenance, StageJob, StageResult
from steersman.agents.registry import Registry
from steersman.agents.selection import Candidate
from steersman.errors import (
    AgentError,
    Fault,
    InvalidResult,
    NoAgent,
    StageTimeout,
    SteersmanError,
    Unavailable,
)
from steersman.failpoints import Reach, unarmed
from steersman.json import dumps, loads
from steersman.tasks import budgets
from steersman.tasks.attempt_payloads import in_waves, kept
from steersman.tasks.attempt_store import Lease, Outcome
from steersman.tasks.expressions import ExpressionFailed
from steersman.tasks.limits import Chosen
from steersman.tasks.payloads import Payloads, any_references
from steersman.tasks.planner import (
    DeadlinePassed,
    Decision,
    LeaseLost,
    Plan,
    describe,
)
from steersman.tasks.references import MAX_PAYLOAD_BYTES
from steersman.tasks.special import next_step
from steersman.tasks.storable import surely_storable, unstorable
from steersman.tasks.template import MAX_STAGE_TIMEOUT_S
from steersman.tasks.ways import Awaiting, Child, Children, ChildrenFailed, Held
from steersman.tasks.words import StageStatus

MAX_MODEL_BYTES = 1000
MAX_COST_USD = 1_000_000
MAX_TOKENS = 10**12
MAX_PARALLEL_AGENTS = 16
MAX_ALTERNATIVES = 5  # agents that are asked for a place instead of the one that is preferred
QUICK_S = 0.02  # of agents that answer sooner, nobody need be told that they are at work

Answer = StageResult | SteersmanError
Step = Decision | Answer | Awaiting | Children | Held | None
ChildrenOf = Callable[[UUID, str, bool], list[Child]]
# Called while agents are at work, with the seconds since they began; returns after how many it is to be called again.
WhileRunning = Callable[[float], float]
# Told whom each attempt was given to, before any agent is asked; may take attempts away or give them to others.
Admit = Callable[["Choice"], None]
# Says how attempts wait whose projects' budgets of the day are spent, by the project's id as a text.
SpentDays = Callable[[Sequence["Attempt"]], Mapping[str, Awaiting]]


class Attempt(NamedTuple):
    """A claimed attempt: its lease, its row as claimed, the plan of its task and the job for an agent."""

    row: Mapping[str, Any]
    plan: Plan
    job: StageJob

    @property
    def may_wait(self) -> bool:
        """Whether stages of its task may wait: for an answer, a time, or a budget."""
        aside = self.row["aside"]
        return (
            self.plan.template.waits
            or self.row["budget_usd"] is not None
            or (aside is not None and "budget_tokens" in aside)
        )

    @property
    def lease(self) -> Lease:
        found: Lease = self.row["lease"]
        return found

    @property
    def lease_lost(self) -> bool:
        """Whether the worker of the attempt before fell silent."""
        return (self.row["last_error"] or {}).get("code") == LeaseLost.code

    @property
    def aside(self) -> Mapping[str, Any]:
        """What few attempts have (sql/claim.sql): an answer or a time waited for, tasks started, a pause."""
        return self.row["aside"] or {}

    @property
    def undoes(self) -> bool:
        """Whether the task fails already, and the stage undoes another."""
        aside = self.row["aside"]
        return aside is not None and "failing" in aside

    @property
    def number(self) -> int:
        """Which attempt of this run of the task it is: rules of retries do not count those of earlier runs."""
        return self.job.attempt - self.base_attempt

    @property
    def base_attempt(self) -> int:
        """How many attempts there were before the task was run again last; 0 when it never was."""
        aside = self.row["aside"]
        return int(aside.get("base_attempt", 0)) if aside is not None else 0

    @classmethod
    def of(cls, row: Mapping[str, Any], project_id: UUID, plan: Plan) -> "Attempt":
        """Build an attempt from a row of `attempt_store.claim`."""
        earlier, edited = row["earlier"] or {}, (row["aside"] or {}).get("input")
        stage = plan.stage(row["stage"])
        visible = plan.visible(stage.name, {name: entry[1] for name, entry in earlier.items()})
        job = StageJob(
            task_id=row["lease"].task_id,
            project_id=project_id,
            stage=stage.name,
            capability=stage.capability,
            attempt=row["attempt"],
            timeout_s=stage.timeout_s,
            correlation_id=row["correlation_id"],
            input=row["input"] if edited is None else edited,
            results=visible,
            provenance=_Provenances({name: earlier[name] for name in visible if name in earlier}),
        )
        return cls(row, plan, job)


Hold = Callable[[Sequence["Attempt"]], None]
# Says whether an attempt may not begin now, because its template or its queue is paused.
Stops = Callable[["Attempt"], bool]


class Ran(NamedTuple):
    """What came of claimed attempts: each is in one of these."""

    outcomes: list[Outcome]
    awaiting: list[tuple[Attempt, Awaiting]]
    spreading: list[tuple[Attempt, Children]]
    held: list[Attempt]

    def add(self, others: "Ran") -> None:
        """Take what came of others too."""
        self.outcomes.extend(others.outcomes)
        self.awaiting.extend(others.awaiting)
        self.spreading.extend(others.spreading)
        self.held.extend(others.held)


class Runner:
    """Runs attempts with the agents of a registry; `children_of` returns the tasks that a stage started last.

    Without their outputs it returns some that failed.
    """

    def __init__(
        self,
        registry: Registry,
        rng: random.Random,
        reach: Reach = unarmed,
        *,
        children_of: ChildrenOf,
        payloads: Payloads | None = None,
        stops: Callable[[], "Stops | None"] = lambda: None,
        spent_days: SpentDays = lambda _: {},
    ) -> None:
        self._reach = reach
        self._payloads = payloads or Payloads()
        self._children_of = children_of
        self._stops = stops
        self._spent_days = spent_days
        self._registry = registry
        self._rng = rng
        self._pool = ThreadPoolExecutor(max_workers=MAX_PARALLEL_AGENTS, thread_name_prefix="agent")

    def run(
        self,
        attempts: Sequence[Attempt],
        while_running: WhileRunning,
        admit: Admit = lambda _: None,
        hold: Hold = lambda _: None,
    ) -> Ran:
        """Return what came of each attempt, in any order; nothing is raised for an agent's failure.

        `hold` is given what may not begin now, and `admit` what may, before any agent is asked. Where attempts see more
        large values than fit into memory, they run in waves, one after the other.
        """
        began = monotonic()
        latest = began + MAX_STAGE_TIMEOUT_S
        jobs = [attempt.job for attempt in attempts]
        if not any_references(jobs):
            return self._run(attempts, jobs, while_running, latest, admit, hold)
        ran = Ran([], [], [], [])
        for wave in in_waves(attempts):
            before = monotonic() - began
            if any(ran) and before + max(attempt.job.timeout_s for attempt in wave) > MAX_STAGE_TIMEOUT_S:
                late = Unavailable("the worker has no time left for so many large values; try again")
                ran.outcomes.extend(self.given_up(attempt, late) for attempt in wave)
                continue
            since = partial(_since, before, while_running) if any(ran) else while_running
            whole = self._payloads.whole_jobs([attempt.job for attempt in wave])
            ran.add(self._run(wave, whole, since, latest, admit, hold))
        return ran

    def _run(
        self,
        attempts: Sequence[Attempt],
        jobs: Sequence[StageJob | SteersmanError],
        while_running: WhileRunning,
        latest: float,
        admit: Admit,
        hold: Hold,
    ) -> Ran:
        """Run attempts on their `jobs`, whole or an error each, in no longer than `latest` (monotonic)."""
        ran = Ran([], [], [], [])
        choice = Choice(self._registry)
        spent_days, stops = self._spent_days(attempts), self._stops()
        for claimed, whole in zip(attempts, jobs, strict=True):
            attempt, step = self._looked_at(claimed, whole, spent_days, stops)
            if step is not None:
                self._sort(ran, attempt, step)
            elif not choice.add(attempt):
                ran.outcomes.append(_outcome(attempt, self.failed(attempt, _no_agent(attempt))))
        if ran.held:
            hold(ran.held)
        admit(choice)
        calls = [
            _Call(candidate, group, self._start(candidate, group), latest)
            for candidate, group in choice.groups()
        ]
        _await(calls, while_running)
        for call in calls:
            for attempt, answer in zip(call.group, call.answers(), strict=True):
                ran.outcomes.append(self._after(attempt, call.candidate, answer))
        return ran._replace(outcomes=kept(ran.outcomes, attempts, self._payloads, self.failed))

    def unwanted(self, attempts: Sequence[Attempt]) -> tuple[list[Outcome], list[Attempt]]:
        """Return what came of the attempts whose `when` lets them not run, and all others."""
        outcomes, others = [], []
        whole = self._payloads.whole_jobs([attempt.job for attempt in attempts])
        for attempt, job in zip(attempts, whole, strict=True):
            wanted = True
            if not isinstance(job, SteersmanError):
                with suppress(ExpressionFailed):  # it fails when it runs, by its rules
                    wanted = attempt.plan.wanted(job.stage, job.input, job.results)
            if wanted:
                others.append(attempt)
            else:
                outcomes.append(_outcome(attempt, attempt.plan.skipped(attempt.job.stage)))
        return outcomes, others

    def _looked_at(
        self,
        attempt: Attempt,
        whole: StageJob | SteersmanError,
        spent_days: Mapping[str, Awaiting],
        stops: "Stops | None",
    ) -> tuple[Attempt, Step]:
        """Return an attempt with its whole job, and what is decided of it before any agent is asked."""
        if isinstance(whole, SteersmanError):
            return attempt, self.failed(attempt, whole)
        if whole is not attempt.job:
            attempt = attempt._replace(job=whole)
        return attempt, self._settled(attempt, spent_days, stops)

    def given_up(self, attempt: Attempt, error: SteersmanError) -> Outcome:
        """Return the outcome of an attempt that ended with an error before any agent was asked."""
        return _outcome(attempt, self.failed(attempt, error))

    def _sort(self, ran: Ran, attempt: Attempt, step: Step) -> None:
        if isinstance(step, Decision):
            ran.outcomes.append(_outcome(attempt, step))
        elif isinstance(step, Awaiting):
            ran.awaiting.append((attempt, step))
        elif isinstance(step, Children):
            ran.spreading.append((attempt, step))
        elif isinstance(step, Held):
            ran.held.append(attempt)
        elif step is not None:
            ran.outcomes.append(self._after(attempt, None, step))

    def _settled(self, attempt: Attempt, spent_days: Mapping[str, Awaiting], stops: "Stops | None") -> Step:
        """Decide the attempts that need no agent, or must not get one."""
        plan, job, row = attempt.plan, attempt.job, attempt.row
        if (row["aside"] is not None and row["aside"]["paused"]) or (stops is not None and stops(attempt)):
            return Held()
        if row["deadline_passed"]:
            return plan.fatal(describe(DeadlinePassed("the task's deadline has passed")))
        if waits := _out_of_budget(attempt, spent_days):
            return waits
        stage = plan.stage(job.stage)
        number = job.attempt if row["aside"] is None else attempt.number
        if number > stage.retry.max_attempts and (attempt.lease_lost or number > stage.retry.most_attempts):
            return self.failed(attempt, LeaseLost("the worker of the last attempt fell silent"))
        try:
            if not plan.wanted(job.stage, job.input, job.results):
                if attempt.undoes:  # what it would undo was not done; those before it are undone all the same
                    return _undone(attempt, None, None)._replace(status=StageStatus.SKIPPED)
                return plan.skipped(job.stage)
        except ExpressionFailed as exc:
            return self.failed(attempt, exc)
        schema = plan.schema(job.stage, "input_schema")
        if schema and (faults := schema.faults({"input": job.input, "results": job.results}, "job")):
            error = InvalidResult("what the stage was given does not match its input_schema", faults=faults)
            error.retryable = False
            return self.failed(attempt, error)
        if stage.calls_agent:
            return None
        children = partial(self._children_of, job.task_id, job.stage)
        return next_step(stage, job, _unfinished(attempt), row["started_at"], children)

    def _start(self, candidate: Candidate, group: Sequence[Attempt]) -> "Future[list[Answer]]":
        def call() -> list[Answer]:
            self._reach("agent.running")
            return list(self._registry.agent(candidate).run([attempt.job for attempt in group]))

        return self._pool.submit(call)

    def _after(self, attempt: Attempt, candidate: Candidate | None, answer: Answer) -> Outcome:
        if isinstance(answer, StageResult):
            try:
                text = _checked(attempt, answer)
            except InvalidResult as exc:
                # What no agent gave comes out the same another time.
                exc.retryable = attempt.plan.stage(attempt.job.stage).calls_agent
                answer = exc
            else:
                if attempt.undoes:
                    decision = _undone(attempt, answer.output, None)
                else:
                    decision = attempt.plan.completed(attempt.job.stage, answer.output)
                return _outcome(attempt, decision, candidate, answer, text)
        return _outcome(attempt, self.failed(attempt, answer, candidate), candidate)

    def failed(self, attempt: Attempt, error: SteersmanError, candidate: Candidate | None = None) -> Decision:
        """Decide what follows a failed attempt."""
        decision = attempt.plan.failed(attempt.job.stage, attempt.number, error, self._rng)
        if candidate and decision.error:
            decision.error["agent"] = candidate.name  # type: ignore[index]
        if attempt.undoes and decision.status is not StageStatus.READY:
            return _undone(attempt, None, decision.error)
        return decision


def _unfinished(attempt: Attempt) -> Mapping[str, Any]:
    """Return the aside of an attempt, without the tasks that an attempt before has given up."""
    if (attempt.row["last_error"] or {}).get("code") != ChildrenFailed.code:
        return attempt.aside
    return {name: value for name, value in attempt.aside.items() if name != "children"}


def _undone(attempt: Attempt, output: Mapping[str, Any] | None, error: Mapping[str, Any] | None) -> Decision:
    then = attempt.aside["answer"].get("then")
    return attempt.plan.undone(then, output, error)


def _out_of_budget(attempt: Attempt, spent_days: Mapping[str, Awaiting]) -> Awaiting | None:
    """Return how an attempt waits that may not begin while a budget is spent; what undoes is never stopped by one."""
    if not spent_days and attempt.row["aside"] is None and attempt.row["budget_usd"] is None:
        return None  # as almost all
    waits = budgets.of_task(attempt.row, attempt.aside)
    if waits is None and spent_days:
        waits = spent_days.get(attempt.row["project_id"])
    if waits is None or attempt.undoes or budgets.begun(attempt.aside):
        return None
    return waits


def _allowed_s(group: Sequence[Attempt]) -> float:
    """Return how long an agent may take for a group: its jobs' `timeout_s` for each wave of parallel calls."""
    waves = ceil(len(group) / MAX_PARALLEL_AGENTS)
    return min(group[0].job.timeout_s * waves, MAX_STAGE_TIMEOUT_S)


class Choice:
    """The agents chosen for a batch: attempts of the same agent and time limit make one call."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._able: dict[tuple[str, int], list[Candidate]] = {}
        self._load: dict[UUID, int] = defaultdict(int)
        self._groups: dict[tuple[int, float], tuple[Candidate, list[Attempt]]] = {}

    def add(self, attempt: Attempt) -> bool:
        """Choose an agent for an attempt; say whether there is one."""
        job = attempt.job
        key = (job.capability, job.project_id.int)  # an int, because a UUID's hash is made in Python
        able = self._able.get(key)
        if able is None:
            able = selection.able(self._registry.candidates(), job.capability, job.project_id)
            self._able[key] = able
        avoid = (attempt.row["last_error"] or {}).get("agent")
        candidate = selection.best(able, project_id=job.project_id, load=self._load, avoid=avoid)
        if candidate is None:
            return False
        if len(able) > 1:
            self._load[candidate.id] += 1
        self._give(attempt, candidate)
        return True

    def _give(self, attempt: Attempt, candidate: Candidate) -> None:
        key = (id(candidate), attempt.job.timeout_s)
        self._groups.setdefault(key, (candidate, []))[1].append(attempt)

    def agents(self) -> Iterator[Candidate]:
        return (candidate for candidate, _ in self._groups.values())

    def projects(self) -> Iterator[UUID]:
        return (UUID(int=project_id) for _, project_id in self._able)

    def chosen(self) -> list[Chosen]:
        """Return each attempt with its agent, and behind it others that could do it, the better first."""
        return [
            Chosen(attempt, [candidate, *self._others(attempt, candidate)])
            for candidate, group in self._groups.values()
            for attempt in group
        ]

    def _others(self, attempt: Attempt, candidate: Candidate) -> list[Candidate]:
        job = attempt.job
        able = self._able[job.capability, job.project_id.int]
        if len(able) == 1:
            return []
        avoid = (attempt.row["last_error"] or {}).get("agent")
        ranked = selection.ranked(able, project_id=job.project_id, load=self._load, avoid=avoid)
        return [other for other in ranked if other is not candidate][:MAX_ALTERNATIVES]

    def regroup(self, given: Iterable[tuple[Attempt, Candidate]]) -> None:
        """Give these attempts, and no others, to these agents."""
        self._groups = {}
        for attempt, candidate in given:
            self._give(attempt, candidate)

    def groups(self) -> Collection[tuple[Candidate, list[Attempt]]]:
        return self._groups.values()


class _Call:
    """A call of one agent for a group of attempts, under way. Agents run side by side: each has its own time.

    None has longer than `latest` (monotonic): loading large values takes its time from the slowest.
    """

    def __init__(
        self,
        candidate: Candidate,
        group: Sequence[Attempt],
        future: "Future[list[Answer]]",
        latest: float,
    ) -> None:
        self.candidate = candidate
        self.group = group
        self.future = future
        self.until = min(monotonic() + _allowed_s(group), latest)

    def answers(self) -> list[Answer]:
        """Return the agent's answers, one for each attempt; what went wrong becomes the answer of all."""
        name, count = self.candidate.name, len(self.group)
        if not self.future.done():
            self.future.cancel()
            timeout_s = self.group[0].job.timeout_s
            return [StageTimeout(f"agent '{name}' took longer than {timeout_s:g} s")] * count
        try:
            answers = self.future.result()
        except SteersmanError as exc:
            return [exc] * count
        except Exception as exc:  # noqa: BLE001 - an agent is foreign code: whatever it raises is its failure
            error = AgentError(f"agent '{name}' failed with {type(exc).__name__}")
            error.__cause__ = exc
            return [error] * count
        if len(answers) != count:
            return [InvalidResult(f"agent '{name}' gave {len(answers)} results for {count} jobs")] * count
        return answers


def _since(before_s: float, while_running: WhileRunning, waited_s: float) -> float:
    """Tell of the time of the waves before, too: leases are renewed by it."""
    return while_running(before_s + waited_s)


def _await(calls: Sequence[_Call], while_running: WhileRunning) -> None:
    """Wait until every call has ended or its time is over."""
    began = monotonic()
    next_call = began + QUICK_S
    while waiting := [call for call in calls if not call.future.done() and call.until > monotonic()]:
        until = min(next_call, *(call.until for call in waiting))
        wait([call.future for call in waiting], timeout=max(0.0, until - monotonic()))
        if (now := monotonic()) >= next_call:
            next_call = now + while_running(now - began)


def _checked(attempt: Attempt, result: StageResult) -> str:
    """Return the JSON text of a result's output; raise InvalidResult, which says what is wrong with the result."""
    if not isinstance(result.model, str | None):
        raise InvalidResult("the result's model is not a text")
    try:
        output, (model, plain_model) = dumps(result.output), _model_text(result.model)
    except TypeError as exc:
        raise InvalidResult(f"the result has no JSON form: {exc}") from exc
    if not (surely_storable(output) and plain_model) and (
        faults := unstorable({"output": result.output, "model": result.model})
    ):
        raise InvalidResult("the result cannot be stored", faults=faults)
    if faults := _wrong_measures(result):
        raise InvalidResult("the result's measures are out of range", faults=faults)
    if len(output) > MAX_PAYLOAD_BYTES:
        fans_out = attempt.plan.stage(attempt.job.stage).for_each is not None
        advice = (
            "set for_each.collect: false to keep counts only"
            if fans_out
            else "store what is large and return its address"
        )
        raise InvalidResult(
            f"the output has {len(output)} bytes; at most {MAX_PAYLOAD_BYTES} are allowed: {advice}"
        )
    if len(model) > MAX_MODEL_BYTES:
        raise InvalidResult(f"the model's name has {len(model)} bytes; at most {MAX_MODEL_BYTES} are allowed")
    schema = attempt.plan.schema(attempt.job.stage, "output_schema")
    if schema and (faults := schema.faults(loads(output), "output")):
        raise InvalidResult("the result does not match the stage's output_schema", faults=faults)
    return output.decode()


@lru_cache(maxsize=256)
def _model_text(model: str | None) -> tuple[bytes, bool]:
    """Return the JSON of a model's name, and whether it can be stored for certain."""
    text = b"" if model is None else dumps(model)
    return text, surely_storable(text)


def _wrong_measures(result: StageResult) -> tuple[Fault, ...]:
    """Return the measures that no honest agent gives, and the database does not take."""
    if not result.cost_usd and 0 <= result.tokens <= MAX_TOKENS and result.quality is None:
        return ()
    fits = {
        "cost_usd": result.cost_usd.is_finite() and 0 <= result.cost_usd <= MAX_COST_USD,
        "tokens": 0 <= result.tokens <= MAX_TOKENS,
        "quality": result.quality is None or 0 <= result.quality <= 1,
    }
    return tuple(Fault(name, "is out of range") for name, right in fits.items() if not right)


def _outcome(
    attempt: Attempt,
    decision: Decision,
    candidate: Candidate | None = None,
    result: StageResult | None = None,
    output_text: str | None = None,
) -> Outcome:
    return Outcome(
        task_id=attempt.job.task_id,
        stage=attempt.job.stage,
        lease_id=attempt.lease.lease_id,
        decision=decision,
        agent_id=candidate.id if candidate else None,
        agent_name=candidate.name if candidate else None,
        model=result.model if result else None,
        cost_usd=(result.cost_usd if result else Decimal(0))
        + (Decimal(str(candidate.price_per_call_usd)) if candidate and candidate.price_per_call_usd else 0),
        tokens=result.tokens if result else 0,
        quality=result.quality if result else None,
        attempt=attempt.job.attempt,
        output_text=output_text,
        leaves_children=bool(attempt.aside.get("children_open")),
    )


def _no_agent(attempt: Attempt) -> NoAgent:
    return NoAgent(f"no active agent has the capability '{attempt.job.capability}'")


class _Provenances(Sequence[Provenance]):
    """Who did earlier stages, made when an agent asks: few do."""

    def __init__(self, entries: Mapping[str, Sequence[Any]]) -> None:
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, place: Any) -> Any:
        return [_provenance(stage, entry) for stage, entry in self._entries.items()][place]


def _provenance(stage: str, entry: Sequence[Any]) -> Provenance:
    status, _, agent, model, cost_usd, tokens, duration_ms = entry
    return Provenance(
        stage=stage,
        status=status,
        agent=agent,
        model=model,
        cost_usd=Decimal(cost_usd),
        tokens=tokens,
        duration_ms=duration_ms or 0,
    )

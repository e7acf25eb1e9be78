"""The door to SQS: jobs of one stage and lane packed into messages, ten messages in a call."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from steersman.errors import Unavailable
from steersman.failpoints import Reach, unarmed
from steersman.json import dumps_text, loads

CALL_MESSAGES = 10  # SQS: at most ten messages in a call
MAX_DELAY_S = 900  # SQS: at most fifteen minutes
MAX_PACK_BYTES = 64 * 1024  # SQS bills by 64 KiB
MAX_ATTEMPT = 2**15 - 1  # smallint in Postgres: one unreadable job must not fail the batch that it comes in
_STAGE = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Job(NamedTuple):
    """What a stage message carries for one attempt: only names; the data stays in Postgres."""

    task_id: UUID
    stage: str
    attempt: int


class Delivery(NamedTuple):
    """A job on its way to a queue's lane (or to its dead letters), to arrive after `delay_s`.

    `group` is whom it is for (the project's id): SQS is fair between groups. Empty: nobody is known.
    """

    queue: str
    lane: str
    job: Job
    delay_s: int = 0
    group: str = ""


class SqsClient(Protocol):
    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any: ...  # noqa: N803


Call = tuple[str, list[dict[str, Any]]]  # a queue's URL, and entries for it
Each = Callable[[Callable[[Call], Unavailable | None], Iterable[Call]], Iterable[Unavailable | None]]


class StageQueues:
    """Sends jobs to the stage queues under `prefix` (a queue's URL up to '<queue>-<lane>').

    `each` makes the second and later calls of a sending: `map` one after the other, an executor's `map` side by side.
    """

    def __init__(self, client: SqsClient, prefix: str, reach: Reach = unarmed, *, each: Each = map) -> None:
        self._reach = reach
        self._client = client
        self._prefix = prefix
        self._each = each

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Send jobs: one call for each queue, lane and delay among up to 10 packs of them, each pack of one group.

        Raises Unavailable when any was not taken; those sent may be sent again, for jobs are idempotent.
        """
        ways: dict[tuple[str, str, int], dict[str, list[Job]]] = {}
        for queue, lane, job, delay_s, group in deliveries:
            way = (queue, lane, delay_s if delay_s <= MAX_DELAY_S else MAX_DELAY_S)
            try:
                ways[way][group].append(job)
            except KeyError:
                ways.setdefault(way, {})[group] = [job]
        calls: list[Call] = []
        for (queue, lane, delay_s), jobs in ways.items():
            calls += _in_calls(f"{self._prefix}{queue}-{lane}", _entries(jobs, delay_s))
        self._make(calls)

    def send_alone(self, deliveries: Sequence[Delivery]) -> None:
        """Send each job in a message of its own, whatever the number of calls."""
        for start in range(0, len(deliveries), CALL_MESSAGES):
            self.send(deliveries[start : start + CALL_MESSAGES])

    def send_dead(self, queue: str, letters: Sequence[dict[str, Any]]) -> None:
        """Put jobs that failed for good, each with its context, into their stage's dead-letter queue."""
        entries = [
            {"Id": str(number), "MessageBody": dumps_text(letter)} for number, letter in enumerate(letters)
        ]
        self._make(_in_calls(f"{self._prefix}{queue}-dead", entries))

    def _make(self, calls: list[Call]) -> None:
        """Make all calls, whatever becomes of the others; raise Unavailable when any was refused."""
        if not calls:
            return
        later = self._each(self._attempt, calls[1:])  # an executor begins them here
        refused = [refusal for refusal in (self._attempt(calls[0]), *later) if refusal]
        if refused:
            raise refused[-1]

    def _attempt(self, call: Call) -> Unavailable | None:
        try:
            self._call(*call)
        except Unavailable as exc:
            return exc
        return None

    def _call(self, url: str, entries: list[dict[str, Any]]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            failed = self._client.send_message_batch(QueueUrl=url, Entries=entries).get("Failed", [])
        except (BotoCoreError, ClientError) as exc:
            raise Unavailable("the queue does not answer; try again", retry_after_s=5) from exc
        self._reach("queues.sent")
        if failed:
            raise Unavailable(
                f"the queue did not take {len(failed)} of {len(entries)} messages", retry_after_s=5
            )


def _entries(jobs: Mapping[str, list[Job]], delay_s: int) -> list[dict[str, Any]]:
    """Return the entries of a call that carry jobs by group."""
    found: list[dict[str, Any]] = []
    for group, ours, most in _shares(jobs):
        # Each member of an entry costs botocore half a microsecond: none says what is so without it.
        named: dict[str, Any] = {"MessageGroupId": group} if group else {}
        if delay_s:
            named["DelaySeconds"] = delay_s
        bodies = enumerate(pack(ours, most), start=len(found))
        found += [{"Id": str(number), "MessageBody": body, **named} for number, body in bodies]
    return found


def _shares(jobs: Mapping[str, list[Job]]) -> Iterable[tuple[str, list[Job], int]]:
    """Share the messages of a call among groups: each gets one, and of the rest as many as it has of the jobs.

    Of more groups than a call has messages, those with the fewest jobs go together without a name: to SQS each such
    message is a sender of its own, as quiet as they are.
    """
    if len(jobs) == 1:
        return [(group, ours, CALL_MESSAGES) for group, ours in jobs.items()]
    ordered = sorted(jobs.items(), key=lambda one: -len(one[1]))
    if len(ordered) > CALL_MESSAGES:
        quiet = [job for _, ours in ordered[CALL_MESSAGES - 1 :] for job in ours]
        ordered = [*ordered[: CALL_MESSAGES - 1], ("", quiet)]
    spare, total = CALL_MESSAGES - len(ordered), sum(len(ours) for _, ours in ordered)
    shares = [1 + spare * len(ours) // total for _, ours in ordered]
    shares[0] += CALL_MESSAGES - sum(shares)
    return [(group, ours, most) for (group, ours), most in zip(ordered, shares, strict=True)]


def _in_calls(url: str, entries: list[dict[str, Any]]) -> list[Call]:
    return [(url, entries[start : start + CALL_MESSAGES]) for start in range(0, len(entries), CALL_MESSAGES)]


def pack(jobs: Sequence[Job], most: int = CALL_MESSAGES) -> list[str]:
    """Spread jobs over as few calls as possible but over `most` messages of a call if they suffice, in order.

    Up to as many jobs travel alone; more are shared evenly among the messages, so that their workers stay busy in
    parallel, and no message outgrows what SQS bills as one.
    """
    documents = [[job.task_id, job.stage, job.attempt] for job in jobs]
    fits = MAX_PACK_BYTES // (max((len(job.stage) for job in jobs), default=0) + 60)
    count = max(min(most, len(documents)), -(-len(documents) // fits))
    bounds = [len(documents) * number // count for number in range(count + 1)] if count else []
    return [dumps_text({"jobs": documents[start:end]}) for start, end in pairwise(bounds)]


def unpack(body: str) -> list[Job]:
    """Return the jobs of a message. Raise ValueError when it is not one of ours."""
    try:
        return [_job(*parts) for parts in loads(body)["jobs"]]
    except (KeyError, TypeError, ValueError) as exc:
        raise ValueError("the message is not a stage message") from exc


@lru_cache(maxsize=1024)
def _is_name(stage: str) -> bool:
    return _STAGE.fullmatch(stage) is not None


def _job(task_id: Any, stage: Any, attempt: Any) -> Job:
    if not (isinstance(task_id, str) and isinstance(stage, str) and type(attempt) is int):
        raise TypeError("a job is [task id, stage, attempt]")
    if not _is_name(stage) or not 1 <= attempt <= MAX_ATTEMPT:
        raise ValueError("no stage has this name, or no attempt this number")
    return Job(UUID(task_id), stage, attempt)

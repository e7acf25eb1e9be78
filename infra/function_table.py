"""Every Lambda function of the project, as data: what it runs, on how much, and what it may touch."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from steersman.tasks.words import Queue

API_TIMEOUT_S = 29  # an HTTP API ends a request at 30 s
STAGE_TIMEOUT_S = 120
OPS_TIMEOUT_S = 300


class Access(StrEnum):
    """A right that a function can have; `infra.constructs.permissions` says what it means in IAM."""

    DATABASE = "database"  # as the role of the application
    DATABASE_OWNER = "database_owner"  # the owner's password, for DDL
    SEND_JOBS = "send_jobs"  # to every lane of every stage
    SEND_DEAD = "send_dead"  # to every dead-letter queue
    SEE_QUEUES = "see_queues"  # how long they are
    DOCUMENTS = "documents"  # put, get, delete in the bucket
    PAYLOADS = "payloads"  # put and get large values of tasks, in their part of the bucket
    EXECUTIONS = "executions"  # of state machines: begin, look, end
    ANSWERS = "answers"  # to the tokens of state machines
    MACHINES = "machines"  # make state machines, and give them their role
    MODELS = "models"  # the configured model provider


@dataclass(frozen=True, kw_only=True)
class FunctionSpec:
    """One function. `module`, below the package `functions`, has a `handler`; `serves` is its stage queue.

    A function that is not `traced` by itself still takes part in the trace of a caller that is.
    """

    name: str
    module: str
    memory_mb: int
    timeout_s: int
    access: frozenset[Access]
    serves: Queue | None = None
    snap_start: bool = False
    traced: bool = True

    @property
    def handler(self) -> str:
        return f"functions.{self.module}.handler"


STAGE_ACCESS = (
    Access.DATABASE,
    Access.SEND_JOBS,
    Access.SEND_DEAD,
    Access.MODELS,
    Access.PAYLOADS,
    Access.EXECUTIONS,
    Access.ANSWERS,
)


def _api(module: str, *access: Access, memory_mb: int = 512) -> FunctionSpec:
    return FunctionSpec(
        name=f"api-{module}",
        module=f"api.{module}",
        memory_mb=memory_mb,
        timeout_s=API_TIMEOUT_S,
        access=frozenset({Access.DATABASE, *access}),
        snap_start=True,
    )


def _stage(module: str, queue: Queue, *access: Access, memory_mb: int = 512) -> FunctionSpec:
    return FunctionSpec(
        name=f"stage-{module}",
        module=f"stages.{module}",
        memory_mb=memory_mb,
        timeout_s=STAGE_TIMEOUT_S,
        access=frozenset({*STAGE_ACCESS, *access}),
        serves=queue,
    )


def _ops(module: str, *access: Access, memory_mb: int = 256, traced: bool = True) -> FunctionSpec:
    return FunctionSpec(
        name=f"ops-{module}",
        module=f"ops.{module}",
        memory_mb=memory_mb,
        timeout_s=OPS_TIMEOUT_S,
        access=frozenset({Access.DATABASE, *access}),
        traced=traced,
    )


# The embedded model's weights and PDF parsing take about 250 MB, so what embeds text gets 1 GB.
# Schedules call seldom enough for X-Ray to bill every call, and almost every one finds nothing to do.
FUNCTIONS: tuple[FunctionSpec, ...] = (
    _api("tasks", Access.SEND_JOBS, Access.PAYLOADS, Access.EXECUTIONS),
    _api("events"),
    _api("approvals", Access.SEND_JOBS),
    _api("pauses", Access.SEND_JOBS),
    _api("templates", Access.MACHINES),
    _api("schedules", Access.SEND_JOBS, Access.PAYLOADS, Access.EXECUTIONS),
    _api("agents"),
    _api("projects", Access.SEND_JOBS),
    _api("documents", Access.DOCUMENTS, Access.MODELS, memory_mb=1024),
    _api("dead_letters", Access.SEND_JOBS, Access.PAYLOADS, Access.EXECUTIONS),
    _api("audit"),
    _api("health", Access.SEE_QUEUES, Access.MODELS),
    _stage("intent", Queue.INTENT),
    _stage("embedding", Queue.EMBEDDING, memory_mb=1024),
    _stage("websearch", Queue.WEBSEARCH, memory_mb=1024),
    _stage("executor", Queue.EXECUTOR, memory_mb=1024),
    _stage("moderator", Queue.MODERATOR, memory_mb=1024),
    _stage("respond", Queue.RESPONSES),
    _stage("agent", Queue.AGENT),
    _ops("migrate", Access.DATABASE_OWNER, Access.MACHINES, memory_mb=512),
    _ops(
        "sweep",
        Access.SEND_JOBS,
        Access.SEND_DEAD,
        Access.PAYLOADS,
        Access.EXECUTIONS,
        Access.ANSWERS,
        traced=False,
    ),
    _ops("partitions", traced=False),
)

BY_NAME: Mapping[str, FunctionSpec] = MappingProxyType({spec.name: spec for spec in FUNCTIONS})

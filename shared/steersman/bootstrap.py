"""The one place that wires real parts: each is built when first asked for, once per execution environment.

Imports stand inside the properties: a function pays at its cold start only for what it uses.
"""

import gc
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from steersman.db.connection import Database
from steersman.logs import Logger
from steersman.settings import Settings, settings

if TYPE_CHECKING:
    import redis

    from steersman.agents.builtin.registry import Parts as BuiltinParts
    from steersman.agents.job import Agent
    from steersman.agents.registry import Registry
    from steersman.agents.selection import Candidate
    from steersman.aws.machines import StateMachines
    from steersman.aws.queues import StageQueues
    from steersman.failpoints import Reach
    from steersman.http.health import Health
    from steersman.http.rate_limit import RateLimiter
    from steersman.knowledge.library import Library
    from steersman.projects.limits import KnownLimits, ProjectLimits
    from steersman.projects.service import Projects
    from steersman.tasks.approvals import Approvals
    from steersman.tasks.day_releases import DayReleases
    from steersman.tasks.engine import Engine
    from steersman.tasks.executions import Executions
    from steersman.tasks.families import Families
    from steersman.tasks.flood import Flood
    from steersman.tasks.letters import DeadLetters
    from steersman.tasks.limits import Limits
    from steersman.tasks.live import LiveTasks
    from steersman.tasks.machine_making import MachineMaking
    from steersman.tasks.open_work import OpenWork
    from steersman.tasks.orchestration import Orchestration
    from steersman.tasks.payloads import Payloads
    from steersman.tasks.plans import Plans
    from steersman.tasks.redrives import ManyRedrives
    from steersman.tasks.reruns import Reruns
    from steersman.tasks.resumption import Resumptions
    from steersman.tasks.schedule_firing import DueSchedules
    from steersman.tasks.schedules import Schedules
    from steersman.tasks.service import Tasks
    from steersman.tasks.steering import Steering
    from steersman.tasks.submission import Submissions

PARALLEL_SENDS = 7  # beside the caller's own; botocore keeps ten connections
LONG_POLL_S = 28.0  # a follower waits up to 25 s for an event


class Parts:
    """Everything that functions and commands are made of."""

    def __init__(self, given: Settings) -> None:
        self.settings = given

    @cached_property
    def logger(self) -> Logger:
        return Logger(service="steersman", level=self.settings.log_level)

    @cached_property
    def reach(self) -> "Reach":
        from steersman.failpoints import armed, unarmed

        return armed(self.settings.failpoint) if self.settings.failpoint else unarmed

    @cached_property
    def database(self) -> Database:
        return self._new_database()

    @cached_property
    def engine_database(self) -> Database:
        """The engine's connection, whose plans are made once; requests and lists need plans for their values."""
        return self._new_database(steady_plans=True)

    @cached_property
    def agents_database(self) -> Database:
        """A connection of the agents' own: a query that hangs in an agent must not hold up the engine's."""
        return self._new_database()

    @cached_property
    def redis(self) -> "redis.Redis":
        from steersman.cache.connection import connect

        return connect(self.settings.redis_url)

    @cached_property
    def limiter(self) -> "RateLimiter":
        from steersman.http.rate_limit import RateLimiter

        return RateLimiter(self.settings.redis_url, self.settings.rate_limit_per_minute)

    @cached_property
    def queues(self) -> "StageQueues":
        from concurrent.futures import ThreadPoolExecutor

        from steersman.aws.queues import StageQueues
        from steersman.aws.sends import quicken

        pool = ThreadPoolExecutor(
            PARALLEL_SENDS, thread_name_prefix="sqs"
        )  # without threads until they are needed
        return StageQueues(quicken(self.aws("sqs")), self.settings.queue_prefix, self.reach, each=pool.map)

    @cached_property
    def machines(self) -> "StateMachines":
        from steersman.aws.machines import StateMachines

        given = self.settings
        return StateMachines(
            self.aws("stepfunctions"), prefix=given.machine_prefix, role_arn=given.machine_role
        )

    @cached_property
    def making(self) -> "MachineMaking":
        from steersman.tasks.machine_making import MachineMaking

        return MachineMaking(lambda: self.machines, self.settings.queue_prefix)

    @cached_property
    def executions(self) -> "Executions":
        from concurrent.futures import ThreadPoolExecutor

        from steersman.tasks.executions import Executions

        pool = ThreadPoolExecutor(PARALLEL_SENDS, thread_name_prefix="states")
        return Executions(
            database=self.database, machines=lambda: self.machines, lanes=self.settings.lanes, each=pool.map
        )

    @cached_property
    def orchestration(self) -> "Orchestration":
        from steersman.tasks.orchestration import Orchestration
        from steersman.tasks.tokens import Tokens

        tokens = Tokens(database=self.database, machines=lambda: self.machines, plans=self.plans)
        return Orchestration(self.executions, tokens)

    @cached_property
    def live(self) -> "LiveTasks":
        from steersman.cache.connection import connect
        from steersman.tasks.live import LiveTasks

        return LiveTasks(self.redis, patient=connect(self.settings.redis_url, answer_timeout_s=LONG_POLL_S))

    @cached_property
    def open_work(self) -> "OpenWork":
        from steersman.tasks.open_work import OpenWork

        return OpenWork(self.redis)

    @cached_property
    def payloads(self) -> "Payloads":
        from steersman.aws.objects import S3Objects
        from steersman.tasks.payloads import Payloads

        bucket = self.settings.documents_bucket
        return Payloads(S3Objects(lambda: self.aws("s3"), bucket) if bucket else None)

    @cached_property
    def flood(self) -> "Flood":
        from steersman.tasks.flood import Flood

        return Flood(self.redis, tasks=self.settings.flood_tasks)

    @cached_property
    def plans(self) -> "Plans":
        from steersman.tasks.plans import Plans

        return Plans(self.database)

    @cached_property
    def projects(self) -> "Projects":
        from steersman.projects.service import Projects

        return Projects(self.database)

    @cached_property
    def tasks(self) -> "Tasks":
        from steersman.tasks.service import Tasks

        return Tasks(
            database=self.database,
            live=self.live,
            plans=self.plans,
            payloads=self.payloads,
            ended=lambda facts: self.families.ended(facts),
            stop=lambda task_ids: self.executions.stop(task_ids),
        )

    @cached_property
    def families(self) -> "Families":
        from steersman.tasks.families import Families

        return Families(
            database=self.database,
            queues=self.queues,
            plans=self.plans,
            lanes=self.settings.lanes,
            publish=self.live.publish,
            reach=self.reach,
        )

    @cached_property
    def submissions(self) -> "Submissions":
        from steersman.tasks.submission import Submissions

        return Submissions(
            database=self.database,
            queues=self.queues,
            plans=self.plans,
            projects=self.projects,
            open_work=self.open_work,
            flood=self.flood,
            lanes=self.settings.lanes,
            warn=self.warn,
            payloads=self.payloads,
            begin=lambda task_ids: self.executions.begin(task_ids),
            reach=self.reach,
        )

    @cached_property
    def resumptions(self) -> "Resumptions":
        from steersman.tasks.resumption import Resumptions

        return Resumptions(
            database=self.database,
            queues=self.queues,
            live=self.live,
            plans=self.plans,
            open_work=self.open_work,
            lanes=self.settings.lanes,
            warn=self.warn,
            begin=lambda task_ids: self.executions.begin(task_ids),
        )

    @cached_property
    def schedules(self) -> "Schedules":
        from steersman.tasks.schedules import Schedules

        return Schedules(
            database=self.database,
            submissions=self.submissions,
            projects=self.projects,
            open_work=self.open_work,
            warn=self.warn,
        )

    @cached_property
    def reruns(self) -> "Reruns":
        from steersman.tasks.reruns import Reruns

        return Reruns(
            database=self.database,
            submissions=self.submissions,
            payloads=self.payloads,
            resumptions=self.resumptions,
        )

    @cached_property
    def dead_letters(self) -> "DeadLetters":
        from steersman.tasks.letters import DeadLetters

        return DeadLetters(
            database=self.database,
            plans=self.plans,
            payloads=self.payloads,
            resumptions=self.resumptions,
        )

    @cached_property
    def redrives(self) -> "ManyRedrives":
        from steersman.tasks.redrives import ManyRedrives

        return ManyRedrives(database=self.database, projects=self.projects, resumptions=self.resumptions)

    @cached_property
    def approvals(self) -> "Approvals":
        from steersman.tasks.approvals import Approvals

        return Approvals(
            database=self.database,
            queues=self.queues,
            live=self.live,
            plans=self.plans,
            open_work=self.open_work,
            lanes=self.settings.lanes,
            warn=self.warn,
        )

    @cached_property
    def steering(self) -> "Steering":
        from steersman.tasks.steering import Steering

        return Steering(
            database=self.database,
            queues=self.queues,
            live=self.live,
            open_work=self.open_work,
            lanes=self.settings.lanes,
            warn=self.warn,
        )

    @cached_property
    def project_limits(self) -> "ProjectLimits":
        from steersman.projects.limits import ProjectLimits

        return ProjectLimits(database=self.database, goes_on=self.day_releases)

    @cached_property
    def day_releases(self) -> "DayReleases":
        from steersman.tasks.day_releases import DayReleases

        return DayReleases(
            database=self.database,
            queues=self.queues,
            live=self.live,
            open_work=self.open_work,
            lanes=self.settings.lanes,
            warn=self.warn,
        )

    @cached_property
    def due_schedules(self) -> "DueSchedules":
        from steersman.tasks.schedule_firing import DueSchedules

        return DueSchedules(database=self.database, submissions=self.submissions, warn=self.warn)

    @cached_property
    def registry(self) -> "Registry":
        from steersman.agents.registry import Registry

        return Registry(self.engine_database, self._connect_agent)

    @cached_property
    def engine(self) -> "Engine":
        from steersman.tasks.day_budgets import DayBudgets
        from steersman.tasks.engine import Engine
        from steersman.tasks.plans import Plans
        from steersman.tasks.tokens import Tokens

        plans = Plans(self.engine_database)
        return Engine(
            database=self.engine_database,
            queues=self.queues,
            live=self.live,
            registry=self.registry,
            plans=plans,
            lanes=self.settings.lanes,
            warn=self.warn,
            payloads=self.payloads,
            limits=self.limits,
            day_budgets=DayBudgets(self.engine_database, self.known_limits),
            tokens=Tokens(database=self.engine_database, machines=lambda: self.machines, plans=plans),
            begin=lambda task_ids: self.executions.begin(task_ids),
            reach=self.reach,
        )

    @cached_property
    def known_limits(self) -> "KnownLimits":
        from steersman.projects.limits import KnownLimits

        return KnownLimits(self.engine_database)

    @cached_property
    def limits(self) -> "Limits":
        from steersman.cache.slots import Slots
        from steersman.tasks.engine import LEASE_S
        from steersman.tasks.limits import Limits

        return Limits(
            slots=Slots(self.redis),
            projects=self.known_limits,
            registry=self.registry,
            hold_s=LEASE_S,
            warn=self.warn,
        )

    @cached_property
    def builtin_parts(self) -> "BuiltinParts":
        from steersman.agents.builtin.registry import parts_from

        return parts_from(self.settings, lambda: self.agents_database)

    @cached_property
    def library(self) -> "Library":
        from steersman.knowledge.library import Library

        return Library.of(self.database, self.settings, lambda: self.aws("s3"))

    @cached_property
    def health(self) -> "Health":
        from steersman.http import probes
        from steersman.http.health import Health
        from steersman.llm.health import check

        return Health(
            database=lambda: probes.database(self.database),
            cache=lambda: probes.cache(self.redis),
            queues=lambda: probes.queues(self.aws("sqs"), self.settings.queue_prefix, self.settings.lanes),
            llm=lambda: check(self.settings),
        )

    def warn(self, message: str, fields: Any) -> None:
        self.logger.warning(message, **fields)

    def aws(self, service: str) -> Any:
        """Return a boto3 client that gives up in time for the caller to try again."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            config=Config(
                connect_timeout=2,
                read_timeout=10,
                retries={"mode": "standard", "total_max_attempts": 3},
                # What the SDK says of itself, and its checks of what our types hold already, cost much of a call.
                user_agent="steersman",
                parameter_validation=False,
            ),
        )

    def secret(self, arn: str) -> str:
        """Return the value of a secret in Secrets Manager."""
        return str(self.aws("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])

    def _new_database(self, *, steady_plans: bool = False) -> Database:
        url, password = self.settings.database_url, None
        if self.settings.database_auth == "iam":
            from steersman.aws.database_tokens import token_source

            password = token_source(self.aws("rds"), url)
        return Database(url, password=password, steady_plans=steady_plans)

    def _connect_agent(self, candidate: "Candidate") -> "Agent":
        if candidate.protocol == "builtin":
            from steersman.agents.builtin.registry import build

            return build(candidate.endpoint, self.builtin_parts)
        if candidate.protocol == "http":
            from steersman.agents.http import HttpAgent

            return HttpAgent(candidate.name, candidate.endpoint)
        raise ValueError(f"the protocol '{candidate.protocol}' is not served yet")


@cache
def parts() -> Parts:
    """Return this process's parts, made of the settings in its environment."""
    # What the imports made stays for ever, and a batch makes little that refers to itself: looking for that as often
    # as Python does by itself costs the engine much of its time (docs/adr/0007).
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()
    return Parts(settings())

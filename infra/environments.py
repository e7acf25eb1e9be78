"""The environments and everything in which they differ, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from steersman.tasks.words import Lane


class Egress(StrEnum):
    """How functions inside the VPC reach AWS services and agents outside of it.

    `dual_stack` costs nothing at rest and reaches everything that speaks IPv6; `endpoints` reaches only the
    AWS services that Steersman needs, by private links; `nat` reaches everything and costs most.
    """

    DUAL_STACK = "dual_stack"
    ENDPOINTS = "endpoints"
    NAT = "nat"


class Rhythm(StrEnum):
    """How often the database is kept in order: each time wakes one that sleeps."""

    DAILY = "daily"
    WEEKLY = "weekly"


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Aurora and ElastiCache in a VPC of their own. An ACU is 2 GiB of memory with its share of CPU."""

    egress: Egress
    availability_zones: int
    aurora_min_acu: float
    aurora_max_acu: float
    aurora_readers: int
    aurora_pause_after_s: int
    backup_days: int
    cache_max_gb: int
    cache_max_ecpu_per_s: int

    @property
    def pauses(self) -> bool:
        """Whether Aurora sleeps when nobody is connected."""
        return self.aurora_min_acu == 0


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment. `stores` is None where PostgreSQL and Redis are given by address, as parameters.

    `max_concurrency` bounds the calls of each event source, and so the connections to the database (AWS takes
    no value below 2). `own_key` encrypts documents, database and cache with a key of the project's own, else AWS's
    keys do; changing it replaces the stores. `housekeeping` makes partitions months ahead and drops old ones.
    `dependencies_layer` is off where the functions' interpreter has the packages. The gateway lets through
    `requests_per_s` with bursts, the API's functions take `rate_limit_per_minute` from each caller; of a project's
    tasks `flood_tasks` at once keep the standard lane. Values over 64 KiB are kept for `payload_retention_days`: a task
    that lives longer fails where it needs one. `retain_data` protects stores and keeps them when their stack goes.
    `checked` has cdk-nag look.
    """

    name: str
    lanes: tuple[Lane, ...]
    max_concurrency: Mapping[Lane, int]
    stores: Stores | None
    own_key: bool
    housekeeping: Rhythm
    iam_authorization: bool
    dependencies_layer: bool
    snap_start: bool
    retain_data: bool
    log_level: str
    log_retention_days: int
    payload_retention_days: int
    requests_per_s: int
    request_burst: int
    rate_limit_per_minute: int
    flood_tasks: int
    checked: bool

    @property
    def title(self) -> str:
        """The name as stacks carry it: `Dev`."""
        return self.name.capitalize()


ALL_LANES = (Lane.URGENT, Lane.STANDARD, Lane.BULK)

LOCAL = Environment(
    name="local",
    lanes=ALL_LANES,
    # Each concurrent call is a process of the local cloud.
    max_concurrency=MappingProxyType(dict.fromkeys(ALL_LANES, 2)),
    stores=None,
    own_key=True,
    housekeeping=Rhythm.DAILY,
    iam_authorization=False,
    dependencies_layer=False,
    snap_start=False,
    retain_data=False,
    log_level="INFO",
    log_retention_days=7,
    payload_retention_days=30,
    requests_per_s=1000,
    request_burst=2000,
    rate_limit_per_minute=600_000,  # everybody has one address
    flood_tasks=100_000,  # and one project, whose work nobody else waits for
    checked=False,
)

DEV = Environment(
    name="dev",
    # Each event source polls its queue all month, and polls are billed.
    lanes=(Lane.STANDARD,),
    max_concurrency=MappingProxyType({Lane.STANDARD: 10}),
    stores=Stores(
        egress=Egress.DUAL_STACK,
        availability_zones=2,
        aurora_min_acu=0,
        aurora_max_acu=4,
        aurora_readers=0,
        aurora_pause_after_s=300,
        backup_days=1,
        cache_max_gb=1,
        cache_max_ecpu_per_s=5000,
    ),
    own_key=False,
    housekeeping=Rhythm.WEEKLY,
    iam_authorization=True,
    dependencies_layer=True,
    snap_start=False,
    retain_data=False,
    log_level="INFO",
    log_retention_days=14,
    payload_retention_days=30,
    requests_per_s=50,
    request_burst=100,
    rate_limit_per_minute=6000,
    flood_tasks=500,
    checked=True,
)

PROD = Environment(
    name="prod",
    lanes=ALL_LANES,
    max_concurrency=MappingProxyType({Lane.URGENT: 50, Lane.STANDARD: 50, Lane.BULK: 20}),
    stores=Stores(
        egress=Egress.ENDPOINTS,
        availability_zones=2,
        aurora_min_acu=0.5,
        aurora_max_acu=32,
        aurora_readers=1,
        aurora_pause_after_s=300,
        backup_days=14,
        cache_max_gb=10,
        cache_max_ecpu_per_s=50_000,
    ),
    own_key=True,
    housekeeping=Rhythm.DAILY,
    iam_authorization=True,
    dependencies_layer=True,
    snap_start=True,
    retain_data=True,
    log_level="INFO",
    log_retention_days=90,
    payload_retention_days=400,  # longer than the longest deadline, a year
    requests_per_s=500,
    request_burst=1000,
    rate_limit_per_minute=6000,
    flood_tasks=500,
    checked=True,
)

ENVIRONMENTS: Mapping[str, Environment] = MappingProxyType({e.name: e for e in (LOCAL, DEV, PROD)})


def find(name: str) -> Environment:
    """Return the environment of a name. Raises ValueError, with the names there are, for another."""
    if name not in ENVIRONMENTS:
        raise ValueError(f"there is no environment {name!r}; there are {', '.join(ENVIRONMENTS)}")
    return ENVIRONMENTS[name]

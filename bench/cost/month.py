"""The price of a month in which nothing happens, from the synthesised templates.

A resource type is either priced here or listed in `free.py`; an unknown one is an error, so that none is forgotten.
The free tier of an account is not taken off.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from bench.cost.assumptions import Assumptions
from bench.cost.free import FREE
from bench.cost.prices import Item, Prices
from bench.cost.templates import Resource, Resources

HOURS = 730
SECONDS = HOURS * 3600
GB = 1e9
_RATE_S = {"minute": 60, "hour": 3600, "day": 86_400}
_DAY_S = _RATE_S["day"]
_LEAST_CACHE_GB = {"valkey": 0.1}  # of other engines 1 GB is metered at least


class UnknownResource(Exception):
    """A template has a type of resource that nobody has priced; the message names it."""


class Month:
    """Prices an environment's resources, one by one."""

    def __init__(self, resources: Resources, prices: Prices, given: Assumptions) -> None:
        self._resources, self._prices, self._given = resources, prices, given
        self._priced: Mapping[str, Callable[[Resource], Sequence[Item]]] = {
            "AWS::CloudWatch::Alarm": self._alarm,
            "AWS::EC2::EIP": self._address,
            "AWS::EC2::NatGateway": self._nat,
            "AWS::EC2::VPCEndpoint": self._endpoint,
            "AWS::ElastiCache::ServerlessCache": self._cache,
            "AWS::Events::Rule": self._schedule,
            "AWS::KMS::Key": self._key,
            "AWS::Lambda::EventSourceMapping": self._event_source,
            "AWS::Lambda::Version": self._version,
            "AWS::RDS::DBCluster": self._cluster,
            "AWS::RDS::DBInstance": self._instance,
            "AWS::SecretsManager::Secret": lambda _: [self._item("secrets", "secret_month", 1)],
        }

    def items(self) -> list[Item]:
        """Return the lines of the bill, those of one name added up, the largest first. Raises UnknownResource."""
        found: list[Item] = []
        for resource in self._resources:
            if resource.type in self._priced:
                found += self._priced[resource.type](resource)
            elif resource.type not in FREE:
                raise UnknownResource(
                    f"{resource.type} ({resource.id}) is neither priced in bench/cost/month.py nor listed in "
                    "bench/cost/free.py: say what it costs at rest"
                )
        return sorted(_added_up(found), key=lambda item: -item.usd)

    def _item(self, name: str, price: str, quantity: float, note: str = "") -> Item:
        return self._prices.item(name, price, quantity, note)

    def _alarm(self, _: Resource) -> list[Item]:
        return [self._item("alarms", "alarm_month", 1)]

    def _address(self, _: Resource) -> list[Item]:
        return [self._item("public addresses", "public_ipv4_hour", HOURS)]

    def _nat(self, _: Resource) -> list[Item]:
        return [self._item("NAT gateways", "nat_hour", HOURS)]

    def _endpoint(self, resource: Resource) -> list[Item]:
        if resource.properties.get("VpcEndpointType", "Gateway") == "Gateway":
            return []
        zones = len(resource.properties["SubnetIds"])
        return [self._item("interface endpoints", "endpoint_hour", HOURS * zones)]

    def _cache(self, resource: Resource) -> list[Item]:
        least_gb = _LEAST_CACHE_GB.get(resource.properties["Engine"], 1.0)
        return [self._item("ElastiCache: least storage", "cache_gb_hour", HOURS * least_gb)]

    def _key(self, _: Resource) -> list[Item]:
        note = "each of the first two yearly rotations adds as much"
        return [self._item("KMS keys", "kms_key_month", 1, note)]

    def _event_source(self, resource: Resource) -> list[Item]:
        bounded = "MaximumConcurrency" in resource.properties.get("ScalingConfig", {})
        pollers = self._given.pollers if bounded else self._given.pollers_optimised
        note = f"{pollers:g} pollers each"
        return [
            self._item(
                "event sources: idle polls", "sqs_request", pollers * SECONDS / self._given.poll_s, note
            )
        ]

    def _version(self, resource: Resource) -> list[Item]:
        function = self._resources.referred(resource.properties["FunctionName"])
        if function is None or function.properties.get("SnapStart", {}).get("ApplyOn") != "PublishedVersions":
            return []
        held = function.properties["MemorySize"] / 1024 * SECONDS
        return [self._item("SnapStart: cached snapshots", "lambda_snapshot_gb_second", held)]

    def _schedule(self, rule: Resource) -> list[Item]:
        calls = calls_a_month(rule.properties["ScheduleExpression"])
        items = [self._item("schedules: events", "scheduled_event", calls)]
        for target in rule.properties["Targets"]:
            function = self._resources.referred(target["Arn"])
            if function and function.type == "AWS::Lambda::Function":
                items += self._scheduled_calls(function, calls)
        return items

    def _scheduled_calls(self, function: Resource, calls: float) -> list[Item]:
        seconds = self._given.schedule_ms / 1000 * function.properties["MemorySize"] / 1024
        items = [
            self._item("schedules: Lambda requests", "lambda_request", calls),
            self._item("schedules: Lambda GB-seconds", "lambda_gb_second", calls * seconds),
            self._item("schedules: logs", "log_gb", calls * self._given.schedule_log_bytes / GB),
            self._item("schedules: cache commands", "cache_ecpu", calls),
        ]
        if function.properties.get("TracingConfig", {}).get("Mode") == "Active":
            # Slower than one a second: X-Ray's default rule samples every one.
            items.append(self._item("schedules: X-Ray traces", "trace", calls))
        return items

    def _cluster(self, cluster: Resource) -> list[Item]:
        found = cluster.properties
        items = [self._item("Aurora: storage", "aurora_gb_month", self._given.database_gb)]
        if found.get("BackupRetentionPeriod", 1) > 1:
            items.append(self._item("Aurora: backups", "aurora_backup_gb_month", self._given.database_gb))
        if found.get("ManageMasterUserPassword"):
            items.append(self._item("secrets", "secret_month", 1, "the database owner's, made by RDS"))
        return items

    def _instance(self, instance: Resource) -> list[Item]:
        cluster = self._resources.referred(instance.properties["DBClusterIdentifier"])
        if cluster is None or instance.properties["DBInstanceClass"] != "db.serverless":
            raise UnknownResource(f"{instance.id} is a database server of a kind that is not priced")
        scaling = cluster.properties["ServerlessV2ScalingConfiguration"]
        if scaling["MinCapacity"] > 0:
            hours = scaling["MinCapacity"] * HOURS
            return [self._item("Aurora: least capacity", "aurora_acu_hour", hours)]
        awake_s = self._wakings() * (scaling.get("SecondsUntilAutoPause", 300) + 60)
        hours = awake_s / 3600 * self._given.waking_acu
        return [self._item("Aurora: awake for the housekeeping", "aurora_acu_hour", hours)]

    def _wakings(self) -> float:
        """Schedules below one an hour work on the database; more frequent ones look at a flag in the cache first."""
        rules = self._resources.of("AWS::Events::Rule")
        calls = [calls_a_month(rule.properties["ScheduleExpression"]) for rule in rules]
        return sum(count for count in calls if count < HOURS)


def calls_a_month(expression: str) -> float:
    """Return how often a schedule fires in a month; of cron those once a day or week. Raises UnknownResource."""
    if found := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        return SECONDS / (int(found[1]) * _RATE_S[found[2]])
    if re.fullmatch(r"cron\(\d+ \d+ \* \* \? \*\)", expression):
        return SECONDS / _DAY_S
    if re.fullmatch(r"cron\(\d+ \d+ \? \* [A-Z]{3} \*\)", expression):
        return SECONDS / (7 * _DAY_S)
    raise UnknownResource(f"how often {expression!r} fires is not known here: teach bench/cost/month.py")


def _added_up(items: Sequence[Item]) -> list[Item]:
    ordered = sorted(items, key=lambda item: (item.name, item.price.unit))
    groups = [list(group) for _, group in groupby(ordered, key=lambda item: item.name)]
    return [
        Item(
            group[0].name,
            sum(item.quantity for item in group),
            group[0].price,
            next((item.note for item in group if item.note), ""),
        )
        for group in groups
    ]

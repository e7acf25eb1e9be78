"""Steersman's price of a million six-stage tasks on AWS, item by item, without the agents' own work."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bench.cost.assumptions import Assumptions
from bench.cost.measured import Work
from bench.cost.prices import MILLION, Item, Prices, total
from bench.engine.workload import QUEUES
from infra.function_table import BY_NAME, FUNCTIONS

GB = 1e9
MONTH_HOURS = 730
SERIES = 5 * len(QUEUES)  # a stage function reports five metrics of its queue


@dataclass(frozen=True)
class Bill:
    """The items of one way of working; `aside` are those that only some users pay."""

    title: str
    items: Sequence[Item]
    aside: Sequence[Item] = ()
    note: str = ""

    @property
    def usd(self) -> Decimal:
        return total(self.items)

    def told(self) -> dict[str, Any]:
        """Return the bill for the results file, USD for a million tasks."""
        return {
            "title": self.title,
            "usd": float(round(self.usd, 4)),
            "items": [item.told() for item in self.items],
            **({"aside": [item.told() for item in self.aside]} if self.aside else {}),
            **({"note": self.note} if self.note else {}),
        }


def bill(work: Work, prices: Prices, given: Assumptions) -> Bill:
    """Return what a million tasks cost, from the first request to the stored result."""
    items = [
        *_functions(work, prices, given),
        prices.item("SQS: sends, receives, deletes", "sqs_request", MILLION * work.queue_requests),
        *_api(work, prices, given),
        *_database(work, prices, given),
        *_cache(work, prices, given),
        *_watching(work, prices, given),
        *_transfer(work, prices, given),
    ]
    return Bill(work.title, items, aside=_reading(prices, given))


def awake_hour(prices: Prices, given: Assumptions) -> list[Item]:
    """Return what every hour costs in which something is done, however little: it is in the price of a million only
    for the hours that they take one after the other.
    """
    return [
        prices.item("Aurora: least capacity awake", "aurora_acu_hour", given.awake_acu),
        prices.item("CloudWatch: metrics", "metric_month", SERIES / MONTH_HOURS),
    ]


def gb_seconds(work: Work, given: Assumptions) -> tuple[float, float]:
    """Return GB-seconds of a task: those it computes, and those it waits for stores and queues.

    A function of m MB has m/1769 of a vCPU: c CPU seconds last c * 1769/m seconds at m MB, which are the same
    GB-seconds whatever m is. Waiting is billed at the memory that the function has.
    """
    computing = work.function_cpu_s * given.cpu_factor * given.vcpu_mb / 1024
    waiting_s = (
        work.statements * given.statement_wait_ms
        + work.redis_round_trips * given.redis_wait_ms
        + work.sends * given.sqs_wait_ms
    ) / 1000 + work.postgres_cpu_s * given.cpu_factor
    return computing, waiting_s * mean_memory_gb()


def mean_memory_gb() -> float:
    """Return the memory of the DAG's functions, each stage counted once."""
    serving = [spec.memory_mb for spec in FUNCTIONS if spec.serves in QUEUES]
    return sum(serving) / len(serving) / 1024


def _functions(work: Work, prices: Prices, given: Assumptions) -> list[Item]:
    computing, waiting = gb_seconds(work, given)
    return [
        prices.item("Lambda: requests", "lambda_request", MILLION * (work.invocations + work.requests)),
        prices.item("Lambda: computing", "lambda_gb_second", MILLION * computing),
        prices.item("Lambda: waiting for stores and queues", "lambda_gb_second", MILLION * waiting),
    ]


def _api(work: Work, prices: Prices, given: Assumptions) -> list[Item]:
    return [
        prices.item("API Gateway: submissions", "http_api_request", MILLION * work.requests),
        prices.item("answers, out to the internet", "internet_gb", MILLION * given.answer_bytes / GB),
    ]


def _database(work: Work, prices: Prices, given: Assumptions) -> list[Item]:
    working = MILLION * work.postgres_cpu_s * given.cpu_factor / given.acu_vcpu / given.acu_use / 3600
    acu_hours = max(working, given.awake_acu * _hours(work))
    kept_gb = work.wal_bytes * given.kept_share_of_wal * MILLION / GB
    months = given.retention_hours / MONTH_HOURS
    return [
        prices.item("Aurora: capacity", "aurora_acu_hour", acu_hours),
        prices.item("Aurora: writes", "aurora_io", MILLION * work.wal_bytes / given.io_bytes),
        prices.item("Aurora: a month of the tasks' history", "aurora_gb_month", kept_gb * months),
    ]


def _cache(work: Work, prices: Prices, given: Assumptions) -> list[Item]:
    ecpus = MILLION * work.redis_commands * given.ecpus_per_command
    return [
        prices.item("ElastiCache: commands", "cache_ecpu", ecpus),
        prices.item(
            "ElastiCache: streams and views", "cache_gb_hour", MILLION * given.view_gb_hours_per_task
        ),
    ]


def _watching(work: Work, prices: Prices, given: Assumptions) -> list[Item]:
    log_gb = MILLION * (work.log_bytes + work.requests * given.access_log_bytes) / GB
    hours = max(1.0, _hours(work))  # metrics are billed by whole hours
    traces = MILLION * (work.invocations + work.requests) * given.trace_share + hours * 3600
    return [
        prices.item("CloudWatch: logs", "log_gb", log_gb),
        prices.item(
            "CloudWatch: metrics", "metric_month", SERIES * hours / MONTH_HOURS, "for the hours it takes"
        ),
        prices.item("X-Ray: traces", "trace", traces),
    ]


def _hours(work: Work) -> float:
    return MILLION / work.tasks_per_s / 3600


def _transfer(work: Work, prices: Prices, given: Assumptions) -> list[Item]:
    crossing = work.wal_bytes * given.zone_bytes_per_wal_byte * given.zone_share
    return [
        prices.item("between zones", "zone_gb", MILLION * crossing / GB),
        prices.item("through the SQS endpoint (prod)", "endpoint_gb", MILLION * work.sent_bytes / GB),
    ]


def _reading(prices: Prices, given: Assumptions) -> list[Item]:
    """One GET of every task, for those who fetch each result by itself."""
    seconds = (
        2 * given.redis_wait_ms + given.statement_wait_ms
    ) / 1000 + given.read_cpu_s * given.cpu_factor * (given.vcpu_mb / BY_NAME["api-tasks"].memory_mb)
    held = seconds * BY_NAME["api-tasks"].memory_mb / 1024
    return [
        prices.item("API Gateway: a GET of each task", "http_api_request", MILLION),
        prices.item("Lambda: its requests", "lambda_request", MILLION),
        prices.item("Lambda: its GB-seconds", "lambda_gb_second", MILLION * held),
    ]

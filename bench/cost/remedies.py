"""What stands in the way of a cheaper idle month: changes of the templates, and what each alone would save."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bench.cost.assumptions import Assumptions
from bench.cost.month import HOURS, Month, calls_a_month
from bench.cost.prices import Prices, total
from bench.cost.templates import Resource, Resources

Change = Callable[[Resource, Resources], Resource | None]


@dataclass(frozen=True)
class Remedy:
    """One change of the templates: `loses` says what is given up for it."""

    name: str
    loses: str
    change: Change


def _unbounded(resource: Resource, _: Resources) -> Resource:
    return _without(resource, "AWS::Lambda::EventSourceMapping", "ScalingConfig")


def _untraced(resource: Resource, resources: Resources) -> Resource:
    targets = [target for rule in resources.of("AWS::Events::Rule") for target in rule.properties["Targets"]]
    scheduled = resource in [resources.referred(target["Arn"]) for target in targets]
    return _without(resource, "AWS::Lambda::Function", "TracingConfig") if scheduled else resource


def _weekly(resource: Resource, _: Resources) -> Resource:
    if (
        resource.type != "AWS::Events::Rule"
        or calls_a_month(resource.properties["ScheduleExpression"]) > HOURS
    ):
        return resource
    return replace(resource, properties={**resource.properties, "ScheduleExpression": "rate(7 days)"})


def _gone(kind: str) -> Change:
    return lambda resource, _: None if resource.type == kind else resource


def _without(resource: Resource, kind: str, name: str) -> Resource:
    if resource.type != kind:
        return resource
    return replace(
        resource, properties={key: value for key, value in resource.properties.items() if key != name}
    )


REMEDIES = (
    Remedy(
        "no maximum concurrency on event sources: Lambda then polls with two pollers instead of five",
        "the bound on connections, unless reserved concurrency of the functions sets it",
        _unbounded,
    ),
    Remedy("no X-Ray on the functions that schedules call", "traces of sweeps", _untraced),
    Remedy(
        "housekeeping once a week",
        "forgotten idempotency keys go within a week, not a day; partitions are made months ahead anyway",
        _weekly,
    ),
    Remedy("the account's AWS-managed keys", "a key policy of one's own", _gone("AWS::KMS::Key")),
    Remedy(
        "no alarms", "being told of dead letters, of failed sweeps, of 5xx", _gone("AWS::CloudWatch::Alarm")
    ),
    Remedy(
        "no cache",
        "live views and progress; and what reads the flag of open work would keep Aurora awake, which costs more",
        _gone("AWS::ElastiCache::ServerlessCache"),
    ),
)


def savings(resources: Resources, prices: Prices, given: Assumptions) -> list[dict[str, Any]]:
    """Return each remedy with the USD a month that it alone saves, for the results file."""
    before = _usd(resources, prices, given)
    return [
        {
            "remedy": remedy.name,
            "saves_usd": float(round(before - _usd(changed(resources, remedy), prices, given), 3)),
            "loses": remedy.loses,
        }
        for remedy in REMEDIES
    ]


def changed(resources: Resources, remedy: Remedy) -> Resources:
    """Return the resources as they would be."""
    return Resources(
        [new for resource in resources if (new := remedy.change(resource, resources)) is not None]
    )


def _usd(resources: Resources, prices: Prices, given: Assumptions) -> Decimal:
    return total(Month(resources, prices, given).items())

"""The price of an idle month: every resource of a template is accounted for."""

from collections.abc import Mapping
from typing import Any

import pytest

from bench.cost.assumptions import Assumptions
from bench.cost.free import FREE
from bench.cost.month import Month, UnknownResource, calls_a_month
from bench.cost.prices import Prices
from bench.cost.remedies import REMEDIES, changed, savings
from bench.cost.templates import Resources, resources_of

SOURCE = "AWS::Lambda::EventSourceMapping"


def template(**resources: tuple[str, Mapping[str, Any]]) -> Resources:
    found = {name: {"Type": kind, "Properties": properties} for name, (kind, properties) in resources.items()}
    return resources_of([{"Resources": found}])


def month(resources: Resources) -> dict[str, float]:
    return {item.name: float(item.usd) for item in Month(resources, Prices.read(), Assumptions()).items()}


def aurora(least: float) -> Resources:
    scaling = {"MinCapacity": least, "MaxCapacity": 4, "SecondsUntilAutoPause": 300}
    server = {"DBClusterIdentifier": {"Ref": "Cluster"}, "DBInstanceClass": "db.serverless"}
    return template(
        Cluster=("AWS::RDS::DBCluster", {"ServerlessV2ScalingConfiguration": scaling}),
        Writer=("AWS::RDS::DBInstance", server),
        Reader=("AWS::RDS::DBInstance", server),
        Daily=("AWS::Events::Rule", {"ScheduleExpression": "cron(17 3 * * ? *)", "Targets": []}),
    )


def test_an_unknown_type_of_resource_is_an_error_that_names_it() -> None:
    """A new resource cannot be forgotten: somebody must say what it costs at rest."""
    with pytest.raises(UnknownResource, match=r"AWS::New::Thing \(Novelty\)"):
        month(template(Novelty=("AWS::New::Thing", {})))


def test_what_is_free_adds_nothing() -> None:
    """A type that is listed as free has a reason, and no line in the bill."""
    assert all(FREE.values())
    assert month(template(Role=("AWS::IAM::Role", {}))) == {}


def test_a_bounded_event_source_polls_with_five_pollers() -> None:
    """Five long polls of 20 s all month are 657,000 requests; without a bound Lambda makes do with two."""
    bounded = template(Source=(SOURCE, {"ScalingConfig": {"MaximumConcurrency": 10}}))
    free = template(Source=(SOURCE, {}))
    assert month(bounded)["event sources: idle polls"] == pytest.approx(0.657 * 0.40)
    assert month(free)["event sources: idle polls"] == pytest.approx(0.657 * 0.40 * 2 / 5)


def test_an_aurora_that_never_pauses_costs_its_least_capacity_for_each_instance() -> None:
    """Half an ACU all month, for the writer and for the reader."""
    assert month(aurora(0.5))["Aurora: least capacity"] == pytest.approx(2 * 0.5 * 730 * 0.12)


def test_an_aurora_that_pauses_costs_what_wakes_it() -> None:
    """A daily schedule wakes it for the minutes until it pauses again."""
    found = month(aurora(0))
    assert "Aurora: least capacity" not in found
    assert found["Aurora: awake for the housekeeping"] == pytest.approx(2 * 730 / 24 * 360 / 3600 * 0.12)


def test_a_schedule_costs_its_events_calls_and_traces() -> None:
    """Every minute is 43,800 calls a month, each traced where the function's tracing is active."""
    found = month(
        template(
            Sweep=("AWS::Lambda::Function", {"MemorySize": 256, "TracingConfig": {"Mode": "Active"}}),
            Rule=(
                "AWS::Events::Rule",
                {
                    "ScheduleExpression": "rate(1 minute)",
                    "Targets": [{"Arn": {"Fn::GetAtt": ["Sweep", "Arn"]}}],
                },
            ),
        )
    )
    assert found["schedules: Lambda requests"] == pytest.approx(0.0438 * 0.20)
    assert found["schedules: X-Ray traces"] == pytest.approx(0.0438 * 5)


def test_a_gateway_endpoint_is_free_and_an_interface_endpoint_is_billed_by_zone() -> None:
    """Two zones of one interface endpoint cost two endpoint-hours an hour."""
    kind = "AWS::EC2::VPCEndpoint"
    found = month(
        template(
            Free=(kind, {"VpcEndpointType": "Gateway"}),
            Paid=(kind, {"VpcEndpointType": "Interface", "SubnetIds": ["a", "b"]}),
        )
    )
    assert found == {"interface endpoints": pytest.approx(730 * 2 * 0.01)}


def test_only_a_version_with_snap_start_costs_its_cache() -> None:
    """A version is configuration, but its snapshot is kept by the second and by its memory."""
    version = {"FunctionName": {"Ref": "Function"}}
    plain = template(
        Function=("AWS::Lambda::Function", {"MemorySize": 1024}), Version=("AWS::Lambda::Version", version)
    )
    snapped = {"MemorySize": 1024, "SnapStart": {"ApplyOn": "PublishedVersions"}}
    kept = template(Function=("AWS::Lambda::Function", snapped), Version=("AWS::Lambda::Version", version))
    assert month(plain) == {}
    assert month(kept)["SnapStart: cached snapshots"] == pytest.approx(730 * 3600 * 0.0000015046)


def test_a_schedule_that_cannot_be_counted_is_an_error() -> None:
    """An expression of another form would make the price wrong in silence."""
    assert calls_a_month("rate(7 days)") == pytest.approx(730 / 168)
    assert calls_a_month("cron(17 3 * * ? *)") == pytest.approx(730 / 24)
    assert calls_a_month("cron(17 3 ? * SUN *)") == pytest.approx(730 / 168)
    with pytest.raises(UnknownResource, match="fires"):
        calls_a_month("cron(0/5 * * * ? *)")


def test_a_remedy_saves_what_its_change_takes_off_the_bill() -> None:
    """Savings are differences of two prices, not figures of their own."""
    resources = template(
        Source=(SOURCE, {"ScalingConfig": {"MaximumConcurrency": 10}}), Key=("AWS::KMS::Key", {})
    )
    found = [one["saves_usd"] for one in savings(resources, Prices.read(), Assumptions())]
    assert found == [pytest.approx(0.158, abs=0.001), 0, 0, 1.0, 0, 0]
    assert all(month(changed(resources, remedy)) is not None for remedy in REMEDIES)

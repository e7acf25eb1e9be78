"""The month in which nothing happens: priced from the templates that would be deployed."""

from bench.cost.assumptions import Assumptions
from bench.cost.month import Month
from bench.cost.prices import Item, Prices, total
from bench.cost.report import IDLE_AT_MOST
from bench.cost.templates import resources_of
from infra.environments import ENVIRONMENTS
from tests.infra.assembly import Assembly


def _bill(assembly: Assembly) -> list[Item]:
    return Month(resources_of(list(assembly.templates.values())), Prices.read(), Assumptions()).items()


def test_every_resource_of_an_environment_has_a_price_at_rest(cloud_assembly: Assembly) -> None:
    """A type of resource that nobody has priced raises UnknownResource, so a new one cannot be forgotten."""
    assert total(_bill(cloud_assembly)) > 0


def test_an_idle_environment_costs_less_than_its_aim(cloud_assembly: Assembly) -> None:
    """`dev` may lie idle for less than ten dollars a month; an environment without an aim is only priced."""
    told = "\n".join(f"{item.usd:8.3f} {item.name}" for item in _bill(cloud_assembly))
    assert IDLE_AT_MOST["dev"] == 10
    if aim := IDLE_AT_MOST.get(cloud_assembly.name):
        assert total(_bill(cloud_assembly)) < aim, told


def test_idleness_pays_for_no_traces_and_for_a_key_only_where_it_is_wanted(cloud_assembly: Assembly) -> None:
    """Calls of the clock are not traced, and the bill has a key where the environment has one of its own."""
    names = {item.name for item in _bill(cloud_assembly)}
    assert "schedules: X-Ray traces" not in names
    assert ("KMS keys" in names) is ENVIRONMENTS[cloud_assembly.name].own_key

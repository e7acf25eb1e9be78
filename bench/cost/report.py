"""What `python -m bench.cost` found, for machines and for people."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.cost.assumptions import Assumptions
from bench.cost.measured import Work
from bench.cost.million import Bill
from bench.cost.prices import Item, Prices, total

MILLION_AT_MOST = Decimal(5)
IDLE_AT_MOST: Mapping[str, Decimal] = {"dev": Decimal(10)}


def about_prices(prices: Prices, given: Assumptions) -> dict[str, Any]:
    """Return what the bills rest on."""
    return {
        "prices": {"read_on": prices.read_on, "region": prices.region, "sureness": dict(prices.sureness)},
        "free_tier": "not taken off",
        "assumptions": given.told(),
    }


def million(
    bills: Mapping[str, Bill], works: Mapping[str, Work], awake: Sequence[Item], elsewhere: Sequence[Bill]
) -> dict[str, Any]:
    """Return the prices of a million tasks, here with the counts they come from, and elsewhere."""
    return {
        "aim_usd": float(MILLION_AT_MOST),
        "steersman": {
            name: {**bill.told(), "met": bill.usd < MILLION_AT_MOST, "counted_per_task": works[name].told()}
            for name, bill in bills.items()
        },
        "awake_hour": {"usd": float(round(total(awake), 4)), "items": [item.told() for item in awake]},
        "elsewhere": [bill.told() for bill in elsewhere],
    }


def month(environment: str, items: Sequence[Item], remedies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the price of an idle month, and what would make it less."""
    usd = total(items)
    aim = IDLE_AT_MOST.get(environment)
    return {
        "usd": float(round(usd, 3)),
        **({"aim_usd": float(aim), "met": usd < aim} if aim else {}),
        "items": [item.told() for item in items],
        "remedies": list(remedies),
    }


def write(document: Mapping[str, Any], console: Console) -> None:
    """Print the results document as tables."""
    steersman = document["million"]["steersman"]
    console.print(_items_table("Steersman: USD for a million six-stage tasks", steersman))
    console.print(
        f"Each hour in which something is done costs {document['million']['awake_hour']['usd']:.3f} USD however "
        "little it is; the figures above hold the hours that a million takes without a pause.\n",
        highlight=False,
    )
    console.print(_elsewhere_table(document["million"]))
    months = document["idle_month"]
    console.print(_items_table("USD for a month in which nothing happens", months))
    for environment, found in months.items():
        if not found.get("met", True):
            console.print(_remedies_table(environment, found["remedies"]))


def _items_table(title: str, bills: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table(title, "item", *bills)
    costs = {name: {item["item"]: item["usd"] for item in bill["items"]} for name, bill in bills.items()}
    names = dict.fromkeys(item for found in costs.values() for item in found)
    for name in sorted(names, key=lambda name: -max(found.get(name, 0.0) for found in costs.values())):
        table.add_row(name, *(_money(found.get(name)) for found in costs.values()))
    table.add_section()
    table.add_row("in all", *(f"[bold]{bill['usd']:.2f}[/]" for bill in bills.values()))
    table.add_row("aim", *(_aim(bill) for bill in bills.values()))
    return table


def _elsewhere_table(found: Mapping[str, Any]) -> Table:
    table = _table("The same DAG elsewhere: orchestration only", "where", "USD")
    for bill in found["elsewhere"]:
        table.add_row(f"{bill['title']}\n  [dim]{bill.get('note', '')}[/]", f"{bill['usd']:.2f}")
    return table


def _remedies_table(environment: str, remedies: Sequence[Mapping[str, Any]]) -> Table:
    table = _table(
        f"What would make {environment}'s idle month cheaper", "change, and what is lost", "saves USD"
    )
    for remedy in remedies:
        table.add_row(f"{remedy['remedy']}\n  [dim]{remedy['loses']}[/]", f"{remedy['saves_usd']:.2f}")
    return table


def _aim(bill: Mapping[str, Any]) -> str:
    return "" if "met" not in bill else "[green]met[/]" if bill["met"] else "[red]missed[/]"


def _money(usd: float | None) -> str:
    return "" if usd is None else f"{usd:.3f}"


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    table.add_column(first)
    for other in others:
        table.add_column(other, justify="right")
    return table

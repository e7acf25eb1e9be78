"""Public prices as data, and priced items."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("prices.json")
MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """USD for `per` units; `sure` is primary, secondary or unconfirmed (the file says what each means)."""

    usd: Decimal
    per: int
    unit: str
    source: str
    sure: str


@dataclass(frozen=True)
class Item:
    """One line of a bill: so many units at a price. `note` says how the quantity comes about."""

    name: str
    quantity: float
    price: Price
    note: str = ""

    @property
    def usd(self) -> Decimal:
        return Decimal(str(self.quantity)) * self.price.usd / self.price.per

    def told(self) -> dict[str, Any]:
        """Return the line for the results file."""
        return {
            "item": self.name,
            "usd": float(round(self.usd, 4)),
            "quantity": float(f"{self.quantity:.6g}"),
            "unit": self.price.unit,
            "usd_per_unit": f"{self.price.usd}/{self.price.per}",
            "sure": self.price.sure,
            **({"note": self.note} if self.note else {}),
        }


@dataclass(frozen=True)
class Tier:
    """The next so many units, each million of them at one price."""

    units: int
    usd_per_million: Decimal


class Prices:
    """The prices of one file, by name."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.read_on: str = document["read_on"]
        self.region: str = document["region"]
        self.sureness: Mapping[str, str] = document["sureness"]
        self._prices = {
            name: Price(Decimal(one["usd"]), one["per"], one["unit"], one["source"], one["sure"])
            for name, one in document["prices"].items()
        }
        actions = document["temporal_actions"]
        self.included_actions: int = actions["included"]
        self.action_tiers = [
            Tier(one["actions"], Decimal(one["usd_per_million"])) for one in actions["tiers"]
        ]
        self._actions_source: tuple[str, str] = (actions["source"], actions["sure"])

    @classmethod
    def read(cls, file: Path = FILE) -> "Prices":
        return cls(json.loads(file.read_text(encoding="utf-8")))

    def all(self) -> list[Price]:
        """Return every price of one unit."""
        return list(self._prices.values())

    def item(self, name: str, price: str, quantity: float, note: str = "") -> Item:
        """Return a line. Raises KeyError for a price that the file does not have."""
        return Item(name, quantity, self._prices[price], note)

    def actions(self, name: str, count: int, note: str = "") -> Item:
        """Return a line for `count` Temporal Cloud actions of one month, by its tiers."""
        source, sure = self._actions_source
        usd = tiered(max(0, count - self.included_actions), self.action_tiers)
        return Item(name, count, Price(usd, max(1, count), "actions, by tiers", source, sure), note)


def tiered(units: int, tiers: Sequence[Tier]) -> Decimal:
    """Return the USD of `units`, filling one tier after the other. Raises ValueError beyond the last."""
    left, usd = units, Decimal(0)
    for tier in tiers:
        taken = min(left, tier.units)
        usd += taken * tier.usd_per_million / MILLION
        left -= taken
    if left:
        raise ValueError(f"there is no public price for the last {left} of {units} units")
    return usd


def total(items: Iterable[Item]) -> Decimal:
    """Return the sum in USD."""
    return sum((item.usd for item in items), Decimal(0))

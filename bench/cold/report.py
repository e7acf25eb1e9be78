"""What `python -m bench.cold` found, for machines and for people."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.cold.needs import Need
from bench.cold.starts import Start
from bench.local_report import about

MAX_RATIO = 1.5


def results(starts: Sequence[Start], needs: Sequence[Need], repeats: int) -> dict[str, Any]:
    """Return the results file's document: each function's phases beside its libraries', medians of `repeats`."""
    return {
        **about(),
        "processes": repeats,
        "aim": {"import_ratio_below": MAX_RATIO, "for": "api and stage functions"},
        "functions": {
            one.function: {
                "import": one.imported.told(),
                "build": one.built.told(),
                "libraries": {
                    "import": one.libraries_imported.told(),
                    "build": one.libraries_built.told(),
                    "reasons": dict(need.libraries),
                },
                "import_ratio": round(one.import_ratio, 3),
                "ready_ratio": round(one.ready_ratio, 3),
                **({"met": one.import_ratio < MAX_RATIO} if aimed_at(one) else {}),
            }
            for one, need in zip(starts, needs, strict=True)
        },
    }


def aimed_at(start: Start) -> bool:
    """Whether the aim is for this function: nobody waits for those of `ops`."""
    return not start.function.startswith("ops-")


def write(starts: Sequence[Start]) -> None:
    """Print a table: CPU milliseconds, memory and modules of each function's start."""
    table = Table(box=None, header_style="bold", title="CPU milliseconds of a start")
    table.add_column("function", no_wrap=True)
    for title in ("import", "libs", "ratio", "parts", "libs", "in all", "MB", "modules"):
        table.add_column(title, justify="right")
    table.add_column("")
    for one in starts:
        met = one.import_ratio < MAX_RATIO
        table.add_row(
            one.function,
            f"{one.imported.cpu_ms:.0f}",
            f"{one.libraries_imported.cpu_ms:.0f}",
            f"{one.import_ratio:.2f}",
            f"{one.built.cpu_ms:.0f}",
            f"{one.libraries_built.cpu_ms:.0f}",
            f"{one.ready_ratio:.2f}",
            f"{one.built.rss_mb:.0f}",
            str(one.imported.modules),
            ("[green]met[/]" if met else "[red]missed[/]") if aimed_at(one) else "",
        )
    console = Console()
    console.print(table)
    console.print(
        "import: of the handler; parts: what its first call builds, nothing connected; libs: its unavoidable libraries "
        "alone, doing the same; MB: memory then",
        highlight=False,
    )

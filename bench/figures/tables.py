"""Tables, numbers and aims in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Result = Mapping[str, Any]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table, columns of numbers set right; nothing where there are no rows."""
    if not rows:
        return
    yield _line(header)
    yield _line(["---:" if _numbers(column) else "---" for column in zip(*rows, strict=True)])
    yield from map(_line, rows)


def _numbers(cells: Sequence[str]) -> bool:
    return all(cell[:1] in "<0123456789" for cell in cells)


def aims(figures: Mapping[str, Result], told: Mapping[str, str]) -> Iterator[str]:
    """Yield a table of the figures that `told` names, in its order: what it is, the aim, what was reached."""
    found = [(words, figures[name]) for name, words in told.items() if name in figures]
    yield from table(
        ["", "aim", "reached", ""],
        [aim_row(words, number(one["value"]) + _unit(one["unit"]), one) for words, one in found],
    )


def aim_row(words: str, reached: str, figure: Result) -> list[str]:
    """Return a row of such a table; `figure` has `aim` (text) and `met` where there is an aim."""
    aim = str(figure.get("aim", "")).replace("<=", "at most").replace(">=", "at least")
    return [words, aim, reached, verdict(figure.get("met"))]


def verdict(met: bool | None) -> str:
    """Return how an aim is said to be met; nothing where there is none."""
    return "" if met is None else "met" if met else "**missed**"


def number(value: float) -> str:
    """Return a number with as many digits as say something."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def usd(value: float | None) -> str:
    """Return an amount of money; nothing where there is none."""
    return "" if value is None else f"{value:,.2f}" if value >= 0.005 or not value else "< 0.01"


def _unit(unit: str) -> str:
    return unit if unit == "x" else f" {unit}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

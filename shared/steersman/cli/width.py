"""How wide a table wants to be, so that a narrow terminal gets fewer columns rather than words cut short."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_UNBOUNDED = 10_000


def natural_width(table: Table) -> int:
    """Return the columns of a terminal that a table takes when nothing in it is folded."""
    console = Console(width=_UNBOUNDED)
    return Measurement.get(console, console.options, table).maximum

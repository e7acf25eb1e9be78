"""`python -m bench.figures`."""

import sys
from pathlib import Path

from bench.figures.page import page, read

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "figures.md"


def main() -> None:
    """Write the page from the results that are there."""
    PAGE.write_text(page(read(RESULTS)))
    sys.stdout.write(f"wrote {PAGE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()

"""The results of the answers benchmark, for machines and for people."""

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from steersman.db.connection import Database

PACKAGES = ("steersman", "numpy", "pgvector", "psycopg", "tokenizers", "wordllama")
SHOWN = ("hit_at_5", "cited_fact", "said_fact", "declined", "wrongly_declined")


def about(database: Database) -> dict[str, Any]:
    """Return when and on what the benchmark ran."""
    row = database.run(
        "SELECT current_setting('server_version') AS postgresql, extversion AS pgvector_extension "
        "FROM pg_extension WHERE extname = 'vector'"
    )[0]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"system": platform.system(), "architecture": platform.machine(), "cores": os.cpu_count()},
        "versions": {
            "python": platform.python_version(),
            **row,
            **{name: version(name) for name in PACKAGES},
        },
    }


def write(results: Mapping[str, Any], path: Path) -> None:
    """Write the results as JSON to `path`, and a table of them to the terminal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    print(f"{'':28}" + "".join(f"{name:>18}" for name in SHOWN))
    for method in ("embedded", "full_text_only"):
        for split, scores in results[method].items():
            print(f"{method + ', ' + split:28}" + "".join(f"{scores[name]:18.3f}" for name in SHOWN))
    print(f"{'aim':28}" + "".join(f"{results['aims'].get(name, ''):>18}" for name in SHOWN))
    print(f"written to {path}")

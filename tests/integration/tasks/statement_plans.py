"""Plans of statements: made as the server makes them, and what they say of accesses to tables."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from steersman.db.statements import Statement

EQUALITY = re.compile(r"[^<>]= ")  # in the text of an index condition: "= $1", "= ANY (…)"


def explain(
    connection: psycopg.Connection[Any],
    given: str | Statement,
    parameters: Mapping[str, Any],
    *,
    generic: bool,
) -> dict[str, Any]:
    """Return the plan of a statement, for these values or (`generic`) as it is kept for any."""
    statement = given if isinstance(given, Statement) else Statement.of(given)
    prepared, used = statement.text.decode(), statement.names
    values = sql.SQL(", ").join(sql.Literal(parameters[name]) for name in used)
    mode = "force_generic_plan" if generic else "force_custom_plan"
    connection.execute(sql.SQL("SET plan_cache_mode = {}").format(sql.Identifier(mode)))
    connection.execute(f"PREPARE probe AS {prepared.replace('%%', '%')}")
    execution = sql.SQL("EXECUTE probe ({})").format(values) if used else sql.SQL("EXECUTE probe")
    row = connection.execute(sql.SQL("EXPLAIN (FORMAT JSON) ") + execution).fetchone()
    connection.execute("DEALLOCATE probe")
    assert row
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the nodes of a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def whole(plan: Mapping[str, Any], relations: set[str], partial: set[str]) -> list[str]:
    """Return the accesses to `relations` that grow with their length.

    These are sequential scans, and scans of an index without an equality in their condition, unless it is a `partial`
    one: a range of ids alone can be most of a table.
    """
    found = []
    for node in nodes(plan):
        index = node.get("Index Name", "")
        ranged = index and not EQUALITY.search(node.get("Index Cond", "")) and index not in partial
        if node["Node Type"].endswith("Seq Scan") and node["Relation Name"] in relations:
            found.append(f"{node['Node Type']} on {node['Relation Name']}")
        elif ranged and node.get("Relation Name", index.partition("_20")[0]) in relations:
            found.append(f"{node['Node Type']} by {index}")
    return found

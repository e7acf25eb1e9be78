"""The rules of the house that a machine can check: who may import what, and what may stand where."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.unit.source_tree import ROOT, files, imports, name_of, place, reads_environment, texts, tree

# Modules that decide: plain values in, plain values out. Whoever writes another adds it here.
PURE = {
    "steersman.agents.job",
    "steersman.agents.selection",
    "steersman.errors",
    "steersman.http.cursors",
    "steersman.ids",
    "steersman.json",
    "steersman.knowledge.blocks",
    "steersman.knowledge.chunking",
    "steersman.knowledge.evidence",
    "steersman.knowledge.language",
    "steersman.knowledge.passages",
    "steersman.knowledge.plain",
    "steersman.knowledge.readable",
    "steersman.knowledge.sentences",
    "steersman.knowledge.stopwords",
    "steersman.knowledge.terms",
    "steersman.tasks.asl.compile",
    "steersman.tasks.asl.conditions",
    "steersman.tasks.asl.history",
    "steersman.tasks.asl.nesting",
    "steersman.tasks.asl.order",
    "steersman.tasks.asl.parts",
    "steersman.tasks.asl.retries",
    "steersman.tasks.asl.shape",
    "steersman.tasks.asl.states",
    "steersman.tasks.asl.words",
    "steersman.tasks.budgets",
    "steersman.tasks.expressions",
    "steersman.tasks.kind_faults",
    "steersman.tasks.nesting",
    "steersman.tasks.planner",
    "steersman.tasks.schedule_times",
    "steersman.tasks.schema",
    "steersman.tasks.special",
    "steersman.tasks.stage_kinds",
    "steersman.tasks.template",
    "steersman.tasks.ways",
    "steersman.tasks.words",
}
# What reaches outside the process, or asks it for the time.
OUTSIDE = {
    "asyncio", "boto3", "botocore", "http", "httpx", "io", "logging", "os", "pathlib", "psycopg", "redis",
    "shutil", "socket", "sqlalchemy", "subprocess", "tempfile", "threading", "time",
}  # fmt: skip
CLOCKS = {"now", "today", "utcnow"}

READS_ENVIRONMENT = ("steersman.settings", "steersman.local", "steersman.cli")
HOLDS_SQL = re.compile(r"(store|passage_index)\.py$")
SQL = re.compile(r"\b(SELECT\s|INSERT INTO\s|UPDATE \w+\s+SET\s|DELETE FROM\s|CREATE TABLE\s|WITH \w+ AS \()")
SAYS_NOTHING = {"base", "common", "data", "helper", "helpers", "info", "manager", "misc", "util", "utils"}


def test_steersman_imports_no_entry_point() -> None:
    """Arrows point inward: nothing in steersman imports functions or infra."""
    assert _forbidden_imports("steersman", {"functions", "infra", "tests", "bench"}) == []


def test_functions_import_no_infrastructure() -> None:
    """What runs in Lambda never imports what describes it."""
    assert _forbidden_imports("functions", {"infra", "aws_cdk", "constructs", "tests"}) == []


def test_infrastructure_runs_nothing() -> None:
    """The stacks describe functions by name and never import them."""
    assert _forbidden_imports("infra", {"functions", "tests"}) == []


def test_pure_modules_exist() -> None:
    """Each module that is listed as pure is there."""
    assert {name_of(path) for path in files("steersman")} >= PURE


def test_pure_modules_reach_nothing_outside() -> None:
    """A module that decides imports no I/O and no clock, and of steersman only what is as pure as itself."""
    offences = [
        f"{place(path, node)} imports {name}"
        for path in _pure_files()
        for node, name in imports(path)
        if name.partition(".")[0] in OUTSIDE or (_ours(name) and not _is_pure(name))
    ]
    assert offences == []


def test_pure_modules_read_no_clock() -> None:
    """A module that decides is told the time, it never asks for it."""
    offences = [
        place(path, node)
        for path in _pure_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS
    ]
    assert offences == []


def test_environment_is_read_in_one_place() -> None:
    """Only the settings, the local cloud and the command line read the environment."""
    offences = [
        place(path, node)
        for path in [*files("steersman"), *files("functions")]
        if not name_of(path).startswith(READS_ENVIRONMENT)
        for node in ast.walk(tree(path))
        if reads_environment(node)
    ]
    assert offences == []


def test_sql_stays_in_the_stores() -> None:
    """SQL stands only in a room's store and in the room of the database."""
    offences = [
        place(path, node)
        for path in [*files("steersman"), *files("functions")]
        if not HOLDS_SQL.search(path.name) and not name_of(path).startswith("steersman.db.")
        for node in texts(path)
        if SQL.search(str(node.value))
    ]
    assert offences == []


def test_handlers_only_hand_over() -> None:
    """An entry point holds no SQL, no AWS client, no environment and no error handling."""
    offences = [
        f"{place(path, node)} {type(node).__name__}"
        for path in files("functions")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Try | ast.TryStar) or reads_environment(node)
    ]
    assert offences + _forbidden_imports("functions", {"boto3", "botocore", "psycopg", "redis"}) == []


def test_entry_points_expose_a_handler() -> None:
    """Each module in a group of functions is one Lambda function with one `handler`."""
    groups = [path for path in files("functions") if path.parent.name != "functions"]
    assert [str(path) for path in groups if path.name != "__init__.py" and not _has_handler(path)] == []


def test_names_say_something() -> None:
    """No module or package is called by a word that could hold anything."""
    roots = [ROOT / part for part in ("shared/steersman", "functions", "infra", "layers", "bench", "tests")]
    offences = [
        str(path.relative_to(ROOT))
        for root in roots
        for path in root.rglob("*.py")
        for part in path.relative_to(ROOT).with_suffix("").parts
        if SAYS_NOTHING & set(part.split("_"))
    ]
    assert offences == []


def test_every_test_says_what_it_guarantees() -> None:
    """Every test function has a docstring."""
    offences = [
        place(path, node)
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert offences == []


def test_no_test_is_skipped() -> None:
    """A test passes or fails: none is skipped or expected to fail."""
    offences = [
        place(path, node)
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in {"pytest", "pytest.mark", "unittest"}
        if node.attr in {"skip", "skipif", "xfail", "importorskip", "skipTest"}
    ]
    assert offences == []


def test_importing_does_nothing() -> None:
    """Importing any module reads no environment, makes no client and opens no connection."""
    modules = [name_of(path) for package in ("steersman", "functions") for path in files(package)]
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "shared")))}
    result = subprocess.run(
        [sys.executable, "-m", "tests.unit.import_watch", *modules],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.stdout, result.returncode) == ("", 0), result.stderr


def _forbidden_imports(package: str, forbidden: set[str]) -> list[str]:
    return [
        f"{place(path, node)} imports {name}"
        for path in files(package)
        for node, name in imports(path)
        if name.partition(".")[0] in forbidden
    ]


def _pure_files() -> list[Path]:
    return [path for path in files("steersman") if name_of(path) in PURE]


def _ours(name: str) -> bool:
    return name.startswith("steersman.")


def _is_pure(name: str) -> bool:
    """Say whether `name` is a pure module, a package above one, or something inside one."""
    return (
        name in PURE or name.rpartition(".")[0] in PURE or any(pure.startswith(f"{name}.") for pure in PURE)
    )


def _has_handler(path: Path) -> bool:
    made = {
        target.id
        for node in tree(path).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return "handler" in made | {node.name for node in tree(path).body if isinstance(node, ast.FunctionDef)}

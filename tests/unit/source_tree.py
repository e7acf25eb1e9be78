"""The project's own source as syntax trees, for the tests on how it is built."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {"steersman": ROOT / "shared", "functions": ROOT, "infra": ROOT}


def files(package: str) -> list[Path]:
    """Return the Python files of `package`, save the scripts that Alembic runs by itself."""
    found = sorted((PACKAGES[package] / package).rglob("*.py"))
    return [path for path in found if "migrations" not in path.parts]


def name_of(path: Path) -> str:
    """Return a file's dotted module name."""
    base = ROOT / "shared" if path.is_relative_to(ROOT / "shared") else ROOT
    parts = path.relative_to(base).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(path: Path, node: ast.AST) -> str:
    """Return where `node` is, as file and line."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path, *, within_functions: bool = True) -> Iterator[tuple[ast.AST, str]]:
    """Yield every absolute name that a file imports, with its statement: `from a import b` yields a and a.b.

    Those under TYPE_CHECKING are left out; without `within_functions` also those that run only when called.
    """
    for node in _statements(tree(path), within_functions=within_functions):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node, node.module
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def reads_environment(node: ast.AST) -> bool:
    """Say whether `node` is os.environ, os.getenv or an import of them."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and (node.value.id, node.attr) in {
            ("os", "environ"),
            ("os", "environb"),
            ("os", "getenv"),
        }
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(alias.name in {"environ", "getenv"} for alias in node.names)
    return False


def texts(path: Path) -> Iterator[ast.Constant]:
    """Yield the string constants of a file that are not docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree(path)) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def _statements(node: ast.AST, *, within_functions: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        if within_functions or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _statements(child, within_functions=within_functions)

"""Builds what is shipped beside the functions' code, for Lambda's platform, without Docker.

`steersman_layer` copies the package `steersman`; `dependencies_layer` installs the locked wheels for arm64.
Both fill a folder in the shape of a Lambda layer (`python/...`).
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "layers/dependencies/requirements.txt"
CERTIFICATES = ROOT / "layers/dependencies/certificates"
PACKAGE = ROOT / "shared/steersman"

PYTHON_VERSION = "3.13"
PLATFORM = "aarch64-manylinux_2_28"  # Lambda's Python 3.13 runs on Amazon Linux 2023, glibc 2.34

# Rooms for people's machines: no function imports them, so a change in them changes no layer.
NOT_SHIPPED = frozenset({"local", "cli"})
# wordllama has no wheel for Linux on arm64. Its weights and tokenizer are data, equal in every wheel, and
# functions take nothing else of it: a test in tests/infra proves that what is shipped does not import it.
DATA_ONLY = frozenset({"wordllama"})
DATA_ONLY_PLATFORM = "x86_64-manylinux_2_28"

USELESS_FOLDERS = frozenset({"tests", "__pycache__", "bin"})
USELESS_SUFFIXES = frozenset({".pyi", ".pyx", ".pxd", ".c", ".cpp", ".h", ".hpp", ".a", ".lib"})
LIMIT_BYTES = 250 * 1024 * 1024  # Lambda's limit for a function with all its layers, unzipped


def steersman_layer(target: Path) -> None:
    """Copy the package `steersman`, without the rooms for people's machines, to `target`/python."""
    target.mkdir(parents=True, exist_ok=True)
    for path in shipped_files():
        copy = target / "python/steersman" / path.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def shipped_files() -> list[Path]:
    """Return the files of the package `steersman` that functions need, sorted."""
    return sorted(
        path
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.relative_to(PACKAGE).parts[0] not in NOT_SHIPPED
    )


def dependencies_layer(target: Path) -> None:
    """Install the locked wheels for Lambda's platform to `target`/python, with the database's roots beside.

    Needs the package registry or uv's cache. Raises RuntimeError with uv's words when a wheel is missing, or
    when the result leaves no room for the code under Lambda's limit.
    """
    compiled, data_only = split_requirements(REQUIREMENTS.read_text(encoding="utf-8"))
    _install(compiled, target / "python", PLATFORM)
    with tempfile.TemporaryDirectory() as scratch:
        _install(data_only, Path(scratch), DATA_ONLY_PLATFORM)
        for library in Path(scratch).rglob("*.so"):
            library.unlink()
        shutil.copytree(scratch, target / "python", dirs_exist_ok=True)
    strip(target / "python")
    shutil.copytree(CERTIFICATES, target / "certificates", dirs_exist_ok=True)
    size = unzipped_bytes(target)
    if size > LIMIT_BYTES * 0.95:
        raise RuntimeError(f"the dependencies take {size / 2**20:.0f} MB of Lambda's 250 MB: drop some")


def split_requirements(lock: str) -> tuple[str, str]:
    """Return a lock's parts: requirements installed for Lambda's platform, those shipped as data."""
    blocks = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)
    named = [(re.split(r"[=\[ ;]", block, maxsplit=1)[0], block) for block in blocks]
    compiled = "".join(block for name, block in named if name not in DATA_ONLY)
    return compiled, "".join(block for name, block in named if name in DATA_ONLY)


def strip(folder: Path) -> None:
    """Remove what never runs: tests, caches, scripts, type stubs and sources of compiled modules."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and path.name in USELESS_FOLDERS:
            shutil.rmtree(path)
        elif path.is_file() and path.suffix in USELESS_SUFFIXES:
            path.unlink()


def unzipped_bytes(folder: Path) -> int:
    """Return the size of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _install(requirements: str, target: Path, platform: str) -> None:
    from uv import find_uv_bin

    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as lock:
        lock.write(requirements)
        lock.flush()
        # fmt: off
        command = [
            find_uv_bin(), "pip", "install", "--quiet", "--no-config", "--target", str(target),
            "--python-platform", platform, "--python-version", PYTHON_VERSION,
            "--only-binary", ":all:", "--no-deps", "--require-hashes", "--requirement", lock.name,
        ]
        # fmt: on
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the layer of dependencies could not be built:\n{done.stderr}")

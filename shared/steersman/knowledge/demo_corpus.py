"""Real text that is on every machine: the repository's documents, and what installed packages say of themselves."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

OWN_PACKAGE = "steersman"
MIN_WORDS = 20


@dataclass(frozen=True, kw_only=True)
class DemoDocument:
    """A document as `POST /v1/documents` takes it."""

    title: str
    source_uri: str
    media_type: str
    content: bytes


def demo_documents(root: Path | None = None) -> list[DemoDocument]:
    """Return the demo corpus: the Markdown files of the repository at `root`, then the installed packages by name."""
    return [*(repository_documents(root) if root else ()), *package_documents(distributions())]


def repository_documents(root: Path) -> Iterator[DemoDocument]:
    """Yield README.md, CHANGELOG.md and docs/**/*.md of a repository."""
    found = (root / "README.md", root / "CHANGELOG.md", *sorted((root / "docs").rglob("*.md")))
    for path in found:
        if path.is_file() and (content := path.read_bytes()).strip():
            place = path.relative_to(root).as_posix()
            title = _first_heading(content.decode()) or place
            yield DemoDocument(
                title=title, source_uri=f"repository:{place}", media_type="text/markdown", content=content
            )


def package_documents(packages: Iterable[Distribution]) -> Iterator[DemoDocument]:
    """Yield the long description of each package that has one, by name; `package:<normalised name>` is its source."""
    by_name = {normalised(package.metadata["Name"]): package for package in packages}
    for name, package in sorted(by_name.items()):
        text = _description(package)
        if name != OWN_PACKAGE and len(text.split()) >= MIN_WORDS:
            declared = package.metadata.get("Description-Content-Type") or ""
            yield DemoDocument(
                title=package.metadata["Name"],
                source_uri=f"package:{name}",
                media_type="text/markdown" if declared.startswith("text/markdown") else "text/plain",
                content=f"{_introduction(package)}\n\n{text}".encode(),
            )


def normalised(name: str) -> str:
    """Return a package's name in the normalised form of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _description(package: Distribution) -> str:
    # The description is the body of METADATA; files of older versions of the format have it in a header.
    body = package.metadata.get_payload()  # type: ignore[attr-defined]
    return str(body or package.metadata.get("Description") or "")


def _introduction(package: Distribution) -> str:
    summary = " ".join((package.metadata.get("Summary") or "").split()).rstrip(".")
    return f"{package.metadata['Name']} {package.version}{': ' if summary else ''}{summary}."


def _first_heading(text: str) -> str | None:
    found = re.search(r"^#\s+(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else None

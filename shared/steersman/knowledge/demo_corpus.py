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
    for source, package in sorted(by_name.items()):
        about = package.metadata.json
        text = str(about.get("description") or "")
        if source == OWN_PACKAGE or len(text.split()) < MIN_WORDS:
            continue
        name, summary = str(about["name"]), " ".join(str(about.get("summary") or "").split()).rstrip(".")
        introduction = f"{name} {package.version}{': ' if summary else ''}{summary}."
        declared = str(about.get("description_content_type") or "")
        yield DemoDocument(
            title=name,
            source_uri=f"package:{source}",
            media_type="text/markdown" if declared.startswith("text/markdown") else "text/plain",
            content=f"{introduction}\n\n{text}".encode(),
        )


def normalised(name: str) -> str:
    """Return a package's name in the normalised form of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _first_heading(text: str) -> str | None:
    found = re.search(r"^#\s+(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else None

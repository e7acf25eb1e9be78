"""The page: its sections in their order, and what it says of results that are not there."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.figures import paths, rest, speed
from bench.figures.tables import Result


@dataclass(frozen=True)
class Section:
    """A part of the page: the file in bench/results/ it is made from (without .json), and the command that makes it."""

    name: str
    title: str
    command: str
    lines: Callable[[Result], Iterator[str]]


SECTIONS = (
    Section("engine", "The engine", "make bench", speed.engine),
    Section("paths", "Every way", "make bench-paths", paths.paths),
    Section("peers", "Beside its peers", "make bench-peers", speed.peers),
    Section("cloud", "Through the whole local cloud", "make bench-cloud", speed.cloud),
    Section("scale", "With a long history", "make bench-scale", speed.scale),
    Section("cold", "Starts of functions", "make bench-cold", speed.cold),
    Section("cost", "What it costs on AWS", "make cost", rest.cost),
    Section("chaos", "Nothing lost", "make chaos", rest.chaos),
    Section("local", "The local cloud of one person", "make bench-local", rest.local),
    Section("answers", "Answers of the embedded default", "make bench-answers", rest.answers),
)


def read(folder: Path) -> dict[str, Result]:
    """Return the results that are there, by name."""
    files = {section.name: folder / f"{section.name}.json" for section in SECTIONS}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def page(results: Mapping[str, Result]) -> str:
    """Return the page in Markdown; a section whose results are not there is left out and named at the end."""
    lines = [
        "# Figures",
        "",
        "Written by `make figures` from `bench/results/`; every figure was measured by a program.",
    ]
    for section in SECTIONS:
        if section.name in results:
            lines += ["", f"## {section.title}", "", *_of(section, results[section.name])]
    missing = [section for section in SECTIONS if section.name not in results]
    if missing:
        lines += ["", "## Not measured yet", ""]
        lines += [f"- {section.title}: `{section.command}`" for section in missing]
    return "\n".join(lines) + "\n"


def _of(section: Section, result: Result) -> Iterator[str]:
    machine, python = result["machine"], result["versions"]["python"]
    yield (
        f"`{section.command}` on {machine['cores']} cores, {machine['system']} {machine['architecture']}, "
        f"Python {python}, {result['date']}."
    )
    yield ""
    yield from section.lines(result)

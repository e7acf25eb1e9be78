"""The demo corpus is real text that is on every machine."""

from pathlib import Path

from steersman.knowledge.demo_corpus import demo_documents, normalised
from steersman.knowledge.parsing import parse


def test_installed_packages_speak_for_themselves() -> None:
    """Every package with a long description is a document that can be read, once, under its normalised name."""
    documents = demo_documents()
    sources = [one.source_uri for one in documents]
    assert len(sources) == len(set(sources)) > 40
    assert "package:psycopg" in sources
    assert "package:steersman" not in sources
    for one in documents:
        assert parse(one.content, one.media_type).blocks


def test_the_repositorys_own_documents_come_first(tmp_path: Path) -> None:
    """README and docs of a repository are taken with their titles; empty files are not."""
    (tmp_path / "docs" / "adr").mkdir(parents=True)
    (tmp_path / "README.md").write_text("# Hello\n\nText.\n")
    (tmp_path / "docs" / "adr" / "one.md").write_text("No heading here.\n")
    (tmp_path / "docs" / "empty.md").write_text("\n")
    own = [one for one in demo_documents(tmp_path) if one.source_uri.startswith("repository:")]
    assert [(one.title, one.source_uri) for one in own] == [
        ("Hello", "repository:README.md"),
        ("docs/adr/one.md", "repository:docs/adr/one.md"),
    ]


def test_names_are_normalised() -> None:
    """Names that pip takes for equal are equal."""
    assert normalised("Aws_Lambda.Powertools") == "aws-lambda-powertools"

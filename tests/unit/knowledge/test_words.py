"""Sentences, terms and languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.knowledge.language import language_of
from steersman.knowledge.sentences import pieces, sentences
from steersman.knowledge.terms import keywords, names, stem, stems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One here. Two there! Three?", ["One here.", "Two there!", "Three?"]),
        ("Use e.g. Python 3.11 or i.e. nothing. Done.", ["Use e.g. Python 3.11 or i.e. nothing.", "Done."]),
        ("A line\nanother line", ["A line", "another line"]),
        ('He said "go." Then left.', ['He said "go."', "Then left."]),
        ("version 1.2.3 is out. see below", ["version 1.2.3 is out. see below"]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    """Sentences end at their marks and at line breaks, not at abbreviations or versions."""
    assert sentences(text) == expected


@given(st.text())
def test_sentences_lose_nothing(text: str) -> None:
    """The sentences of a text hold all of its characters but white space, in order."""
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@given(st.text(alphabet="ab ", max_size=300), st.integers(1, 20), st.integers(5, 50))
def test_pieces_respect_both_limits(text: str, max_words: int, max_characters: int) -> None:
    """No piece has more words or characters than allowed, and nothing is lost."""
    cut = list(pieces(text, max_words=max_words, max_characters=max_characters))
    assert all(len(piece.split()) <= max_words and len(piece) <= max_characters + 1 for piece in cut)
    assert "".join("".join(cut).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("installing", "install"), ("installation", "installed"), ("libraries", "library"), ("colour", "colours"),
        ("serialize", "serializes"), ("validation", "validating"), ("running", "runs"), ("parsed", "parses"),
    ],
)  # fmt: skip
def test_forms_of_a_word_are_equal(one: str, other: str) -> None:
    """Two forms of one word have one stem."""
    assert stem(one) == stem(other)


@pytest.mark.parametrize(
    ("one", "other"), [("process", "proceed"), ("test", "text"), ("http", "https"), ("c", "c++")]
)
def test_other_words_stay_apart(one: str, other: str) -> None:
    """Words that only look alike keep different stems."""
    assert stem(one) != stem(other)


def test_keywords_leave_out_what_only_asks() -> None:
    """The keywords of a question are what it is about; compounds stay whole, and each comes once."""
    asked = "How do I use python-dotenv with HTTP/2, and what is python-dotenv?"
    assert keywords(asked) == ["python-dotenv", "http/2"]


def test_compounds_match_their_parts() -> None:
    """A compound or camel-case word matches itself and its parts."""
    assert {"python-dotenv", "python", "dotenv"} <= set(stems("python-dotenv"))
    assert {stem("pypy"), stem("pipeline")} <= set(stems("PyPy fastPipeline"))


def test_names_are_told_by_how_they_are_written() -> None:
    """Capitals inside a question, and words with digits, are names; its first word is not."""
    assert names("Which GPU does WordLlama need for CUDA 12?") == {"gpu", "wordllama", "cuda", "12"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("What is the capital of France?", "en"),
        ("Was ist die Hauptstadt von Frankreich und wie viele Menschen wohnen dort?", "de"),
        ("Quelle est la capitale de la France et combien de personnes y habitent ?", "fr"),
        ("¿Cuál es la capital de Francia y cómo se llama?", "es"),
        ("xyzzy plugh", "en"),
    ],
)
def test_language_is_told_by_frequent_words(text: str, code: str) -> None:
    """The language of a question is told by its small words, and English is assumed where they do not tell."""
    assert language_of(text) == code

"""Ranking candidates and judging the support they give."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.knowledge.retrieval import Candidate, Found, coverage, diverse, fuse, rank, support
from steersman.knowledge.terms import stems

RANKS = st.one_of(st.none(), st.integers(1, 100))


def candidate(number: int, text: str, *, title: str = "Doc", **kwargs: object) -> Candidate:
    values: dict[str, object] = {
        "chunk_id": UUID(int=number),
        "document_id": UUID(int=number),
        "title": title,
        "source_uri": f"test:{title}",
        "heading": title,
        "position": number,
        "passage": text,
        "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
        "similarity": 0.3,
        "lexical": 1.0,
        "semantic_rank": None,
        "lexical_rank": number,
    }
    return Candidate(**{**values, **kwargs})  # type: ignore[arg-type]


@given(RANKS, RANKS)
def test_fusion_is_a_share(one: int | None, other: int | None) -> None:
    """Fused ranks lie between 0 and 1; leading both lists is 1, being in neither is 0."""
    assert 0 <= fuse((one, other)) <= 1
    assert fuse((1, 1)) == pytest.approx(1)
    assert fuse((None, None)) == 0


@given(st.integers(1, 99), RANKS)
def test_a_better_rank_never_fuses_worse(one: int, other: int | None) -> None:
    """Moving up in one list never lowers an item, and two lists are never worse than one."""
    assert fuse((one, other)) > fuse((one + 1, other))
    assert fuse((one, other)) >= fuse((one, None))


def test_coverage_weighs_terms() -> None:
    """Coverage is the share of the weight, not of the number, of the terms that are there."""
    words = frozenset(stems("the quick python-dotenv library"))
    assert coverage({"dotenv": 3.0, "missing": 1.0}, words) == 0.75
    assert coverage({}, words) == 0.0


def test_repeats_of_a_text_come_once() -> None:
    """A passage that says what a better one says is left out, and others are kept."""
    text = "alpha beta gamma delta epsilon zeta eta theta iota kappa"
    found = Found(candidates=[candidate(1, text), candidate(2, text), candidate(3, "other words altogether")])
    assert [one.candidate.chunk_id.int for one in rank(found, limit=5)] == [1, 3]


def test_diversity_prefers_the_new() -> None:
    """Of two equals, the one that is less like what was chosen before comes first."""
    chosen = diverse(
        ["ab", "ac", "xy"],
        limit=2,
        score=lambda _: 1.0,
        likeness=lambda one, other: len(set(one) & set(other)) / 3,
        diversity=0.5,
    )
    assert chosen == ["ab", "xy"]


def test_the_document_that_a_question_names_comes_first() -> None:
    """A passage of the document whose title stands in the question is preferred to an equal one of another."""
    text, weights = "tells how to stop", {"tqdm": 2.0, "stop": 2.0}
    found = Found(
        candidates=[
            candidate(1, f"tqdm {text} at once", title="Other", lexical_rank=1, semantic_rank=1),
            candidate(2, f"{text} a bar", title="tqdm", lexical_rank=1, semantic_rank=1),
        ],
        weights=weights,
    )
    assert rank(found, limit=2)[0].candidate.title == "tqdm"


def test_support_falls_with_what_is_missing() -> None:
    """Support is high where the passages hold the question's terms, lower without a word, lowest without a name."""
    weights = {"alembic": 3.0, "kubernetes": 5.0, "run": 1.0}
    found = Found(candidates=[candidate(1, "alembic can run", title="alembic")], weights=weights)
    ranked = rank(found, limit=5)
    held = support(ranked, {"alembic": 3.0, "run": 1.0}, frozenset())
    word, name = support(ranked, weights, frozenset()), support(ranked, weights, frozenset({"kubernetes"}))
    assert held > word > name
    assert support([], weights, frozenset()) == 0.0


def test_a_passage_off_the_subject_supports_less() -> None:
    """Where the question names a document, passages that do not speak of it count less."""
    weights = {"rich": 4.0, "train": 3.0, "network": 3.0}
    other = candidate(1, "train a network well", title="wordllama")
    alone = Found(candidates=[other], weights=weights)
    named = Found(candidates=[other, candidate(2, "colours", title="rich")], weights=weights)
    assert support(rank(named, limit=1), weights, frozenset()) < support(
        rank(alone, limit=1), weights, frozenset()
    )

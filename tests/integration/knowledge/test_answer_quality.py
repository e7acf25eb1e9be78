"""The answers stay as good as the benchmark promises."""

from bench.answers import AIMS, measure
from bench.answers_scores import questions
from steersman.db.connection import Database


def test_the_labelled_set_is_large_and_honest() -> None:
    """There are at least 40 answerable and 10 unanswerable questions, each once, a part of each held out."""
    asked = questions()
    assert len({one.question for one in asked}) == len(asked)
    for answerable, least in ((True, 40), (False, 10)):
        assert sum(one.answerable is answerable for one in asked) >= least
        held_out = [one for one in asked if one.answerable is answerable and one.split == "holdout"]
        assert len(held_out) >= 10


def test_the_aims_are_reached(database: Database) -> None:
    """On the demo corpus the shares of hits, cited facts and declined questions reach their aims, held out too."""
    results = measure(database)
    for split in ("all", "holdout"):
        for name, aim in AIMS.items():
            assert results["embedded"][split][name] >= aim, (
                split,
                name,
                results["embedded"][split]["missed"],
            )

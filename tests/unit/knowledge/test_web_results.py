"""Reading what a SearXNG instance answers."""

from typing import Any
from uuid import UUID

import pytest

from steersman.errors import InvalidResult
from steersman.knowledge.search import Question
from steersman.knowledge.web_search import RESULTS, read_results

ASKED = Question(project_id=UUID(int=1), text="How tall is the Eiffel tower?")


def result(**kwargs: Any) -> dict[str, Any]:
    return {
        "url": "https://e.org/a",
        "title": "Tower",
        "content": "The Eiffel <b>tower</b> is 330 m tall.",
        **kwargs,
    }


def test_results_become_passages() -> None:
    """A result becomes a web passage with its address, plain text, date, and a score from 0 to 1."""
    (one,) = read_results({"results": [result(publishedDate="2024-05-01T00:00:00")]}, ASKED)
    assert one.kind == "web"
    assert one.source_uri == "https://e.org/a"
    assert one.passage == "The Eiffel tower is 330 m tall."
    assert one.dated_at == "2024-05-01T00:00:00.000Z"
    assert one.chunk_id.startswith("web:")
    assert 0 < one.score <= 1


def test_what_is_no_page_is_left_out() -> None:
    """Results without text, with other schemes or of another form are left out, and the number is bounded."""
    odd = [result(url="javascript:alert(1)"), result(content=""), "text", None, result(publishedDate=3)]
    assert len(read_results({"results": odd}, ASKED)) == 1
    many = [result(url=f"https://e.org/{n}") for n in range(50)]
    assert len(read_results({"results": many}, ASKED)) == RESULTS


def test_an_earlier_result_scores_higher() -> None:
    """Of two pages with the same words, the one that the engine put first scores higher."""
    first, second = read_results({"results": [result(), result(url="https://e.org/b")]}, ASKED)
    assert first.score > second.score


@pytest.mark.parametrize("body", [None, [], {}, {"results": 3}])
def test_an_answer_of_another_form_is_refused(body: Any) -> None:
    """An answer without a list of results is an InvalidResult, not an empty search."""
    with pytest.raises(InvalidResult):
        read_results(body, ASKED)

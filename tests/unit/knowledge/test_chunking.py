"""Passages: long enough to be understood, short enough to be cited, and nothing lost between them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from steersman.knowledge.blocks import Block
from steersman.knowledge.chunking import MAX_CHARACTERS, MAX_WORDS, OVERLAP_WORDS, chunk

WORDS = st.text(alphabet="abcdefghij.!? ", min_size=1, max_size=400).map(str.strip).filter(bool)
PATHS = st.lists(st.sampled_from(["One", "Two", "Three"]), max_size=3).map(tuple)
BLOCKS = st.lists(
    st.builds(Block, text=WORDS, path=PATHS, kind=st.sampled_from(["prose", "item", "code", "row"])),
    max_size=40,
)


@given(BLOCKS)
def test_no_word_is_lost(blocks: list[Block]) -> None:
    """Every word of the document is in some passage, in the order of reading."""
    found = iter(" ".join(one.passage for one in chunk(blocks, title="T")).split())
    for word in " ".join(block.text for block in blocks).split():
        assert any(word == other for other in found), word


@given(BLOCKS)
def test_passages_are_bounded_and_numbered(blocks: list[Block]) -> None:
    """Positions count from 0, passages are never empty and never over the limits."""
    chunks = chunk(blocks, title="T")
    assert [one.position for one in chunks] == list(range(len(chunks)))
    for one in chunks:
        assert one.passage.strip()
        assert len(one.passage.split()) <= MAX_WORDS + OVERLAP_WORDS
        assert len(one.passage) <= 2 * MAX_CHARACTERS


def test_long_prose_is_cut_between_sentences_with_overlap() -> None:
    """Long prose becomes passages of whole sentences, each beginning with the last sentence of the one before."""
    text = " ".join(f"This is sentence number {n} of a long story." for n in range(120))
    chunks = chunk([Block(text, ("Story",))], title="Book")
    assert len(chunks) > 3
    for one, following in pairwise(chunks):
        assert 90 <= len(one.passage.split()) <= MAX_WORDS
        assert one.passage.endswith(".")
        last = one.passage.rsplit("This", 1)[1]
        assert following.passage.startswith(f"This{last}")


def test_headings_are_kept_with_the_title_first() -> None:
    """A passage carries its title and headings, and the title is not said twice."""
    (one,) = chunk([Block("Call it.", ("Guide", "Use"))], title="Guide")
    assert one.heading == "Guide > Use"


def test_a_long_section_starts_a_passage_of_its_own() -> None:
    """Sections that are long enough are not mixed; short ones share a passage that names each heading."""
    long, short = "word " * 100, "few words here"
    chunks = chunk(
        [Block(long, ("A",)), Block(long, ("B",)), Block(short, ("C",)), Block(short, ("D",))], title="T"
    )
    assert [one.heading for one in chunks] == ["T > A", "T > B", "T"]
    assert chunks[2].passage.split("\n") == ["C", short, "D", short]


def test_one_endless_word_is_cut() -> None:
    """A word longer than a passage is cut rather than stored whole."""
    chunks = chunk([Block("x" * 10_000)], title="T")
    assert all(len(one.passage) <= MAX_CHARACTERS + 1 for one in chunks)
    assert sum(one.passage.count("x") for one in chunks) == 10_000

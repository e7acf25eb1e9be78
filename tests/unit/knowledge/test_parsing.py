"""Documents become blocks under their headings, and what cannot be read is refused by field."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.errors import InvalidInput, TooLarge
from steersman.knowledge.blocks import Block
from steersman.knowledge.parsing import MAX_CHARACTERS, MEDIA_TYPES, parse
from tests.unit.knowledge.pdfs import encrypted, pdf_of

TEXTS = [media_type for media_type in MEDIA_TYPES if media_type.startswith("text/")]


def blocks(text: str, media_type: str) -> list[Block]:
    return list(parse(text.encode(), media_type).blocks)


def test_markdown_keeps_the_path_of_headings() -> None:
    """Each block of Markdown stands under the headings above it, and a heading closes those of its level."""
    text = (
        "# Guide\nIntro.\n## Install\n```sh\npip install x\n```\n### Linux\n- one\n- two\n## Use\nCall it.\n"
    )
    assert blocks(text, "text/markdown") == [
        Block("Intro.", ("Guide",)),
        Block("pip install x", ("Guide", "Install"), "code"),
        Block("one", ("Guide", "Install", "Linux"), "item"),
        Block("two", ("Guide", "Install", "Linux"), "item"),
        Block("Call it.", ("Guide", "Use")),
    ]


def test_markdown_reads_words_not_marks() -> None:
    """Links and emphasis keep their words; images, comments, front matter and HTML tags leave no trace."""
    text = (
        "---\ntags: x\n---\nSee the **[docs](https://e.org)** and `code` ![logo](l.png).\n\n"
        "<p align='center'><b>Hello</b> there</p>\n\n<!-- not this -->\n"
    )
    assert [one.text for one in blocks(text, "text/markdown")] == ["See the docs and code .", "Hello there"]


def test_table_rows_stand_alone() -> None:
    """A row of a table names its columns, so that it is a sentence without its header."""
    text = "| Library | Latency | Relative |\n| --- | --- | --- |\n| orjson | 0.1 | 1 |\n| json | 0.9 | 9 |\n"
    expected = ["orjson — Latency: 0.1; Relative: 1", "json — Latency: 0.9; Relative: 9"]
    assert [one.text for one in blocks(text, "text/markdown")] == expected
    html = "<table><tr><th>Library<th>Latency<th>Relative<tr><td>orjson<td>0.1<td>1</table>"
    assert [one.text for one in blocks(html, "text/html")] == expected[:1]


def test_plain_text_finds_underlined_headings_and_code() -> None:
    """Plain text and reStructuredText have their headings, items and code found, and their markup read."""
    text = (
        "=====\nTitle\n=====\n\n.. image:: x.png\n   :alt: badge\n\nUse :func:`run` of `the docs <https://e.org>`_::\n\n"
        "    run()\n\nNotes\n-----\n\n* first\n  line\n* second asyncio_\n\n.. _asyncio: https://e.org\n"
    )
    assert blocks(text, "text/plain") == [
        Block("Use run of the docs:", ("Title",)),
        Block("run()", ("Title",), "code"),
        Block("first line", ("Title", "Notes"), "item"),
        Block("second asyncio", ("Title", "Notes"), "item"),
    ]


def test_html_is_what_a_reader_sees() -> None:
    """Scripts, styles, menus and footers of a page are left out; its title is that of its head."""
    page = (
        "<html><head><title> My page </title><style>p{}</style></head><body><nav>Menu</nav><h1>Top</h1>"
        "<p>One <b>two</b>.</p><script>x()</script><div>Loose <ul><li>item</li></ul></div><footer>(c)</footer></body>"
    )
    parsed = parse(page.encode(), "text/html")
    assert parsed.title == "My page"
    assert list(parsed.blocks) == [
        Block("One two.", ("Top",)),
        Block("Loose", ("Top",)),
        Block("item", ("Top",), "item"),
    ]


def test_pdf_pages_are_headings() -> None:
    """The text of a PDF is found, page by page, with words joined that a line broke."""
    parsed = parse(pdf_of("The quick bro-\nwn fox (jumps).", "Second page."), "application/pdf")
    assert list(parsed.blocks) == [
        Block("The quick brown fox (jumps).", ("Page 1",)),
        Block("Second page.", ("Page 2",)),
    ]


def test_title_is_the_documents_own() -> None:
    """The title is the first heading where a document states one, and None where it does not."""
    assert parse(b"# Mine\ntext", "text/markdown").title == "Mine"
    assert parse(b"just text", "text/plain").title is None
    assert parse(b"# Only a title\n", "text/markdown").blocks == (Block("Only a title"),)


def test_utf16_with_its_mark_is_read() -> None:
    """Text in UTF-16 that says so, and UTF-8 with a byte order mark, are read like any other."""
    assert parse("Grüße".encode("utf-16"), "text/plain").text == "Grüße"
    assert parse(b"\xef\xbb\xbfhello", "text/plain").text == "hello"


@pytest.mark.parametrize(
    ("content", "media_type", "field", "reason"),
    [
        (b"", "text/plain", "content", "is empty"),
        (b" \n\t", "text/markdown", "content", "is empty"),
        (b"<html><body></body></html>", "text/html", "content", "no readable text"),
        (b"--- *** ...", "text/plain", "content", "no readable text"),
        (b"caf\xe9", "text/plain", "content", "byte 3 cannot be decoded"),
        (b"a\x00b", "text/plain", "content", "NUL character at position 1"),
        (b"hello", "application/pdf", "content", "is not a PDF"),
        (b"%PDF-1.7 and then nothing", "application/pdf", "content", "damaged PDF"),
        (pdf_of("")[:300], "application/pdf", "content", "PDF"),
        (pdf_of(""), "application/pdf", "content", "PDF without text"),
        (encrypted(pdf_of("hidden")), "application/pdf", "content", "encrypted PDF"),
        (b"x", "image/png", "media_type", "must be one of"),
        (b"<div>" * 6_000, "text/html", "content", "nested more than 5000 deep"),
    ],
)
def test_what_cannot_be_read_is_refused_by_field(
    content: bytes, media_type: str, field: str, reason: str
) -> None:
    """A document that cannot be read is refused with the field and the reason."""
    with pytest.raises(InvalidInput) as refusal:
        parse(content, media_type)
    (fault,) = refusal.value.faults
    assert fault.field == field
    assert reason in fault.reason


def test_what_is_too_large_is_refused() -> None:
    """Bytes, characters and pages over their limits are refused as too large."""
    with pytest.raises(TooLarge, match="the limit is 10"):
        parse(b"x" * 11, "text/plain", max_bytes=10)
    with pytest.raises(TooLarge, match="characters"):
        parse(b"x" * (MAX_CHARACTERS + 1), "text/plain")
    with pytest.raises(TooLarge, match="has 3 pages; the limit is 2"):
        parse(pdf_of("a", "b", "c"), "application/pdf", max_pages=2)


@given(st.text(min_size=1), st.sampled_from(TEXTS))
def test_any_text_is_read_or_refused(text: str, media_type: str) -> None:
    """Any text at all gives readable blocks or an InvalidInput, never another error."""
    try:
        parsed = parse(text.encode("utf-8", "surrogatepass"), media_type)
    except InvalidInput:
        return
    assert parsed.blocks
    for block in parsed.blocks:
        assert block.text == block.text.strip()
        assert "\x00" not in block.text
        block.text.encode()


@given(st.binary(max_size=400))
def test_any_bytes_are_a_pdf_or_refused(content: bytes) -> None:
    """Any bytes behind a PDF's header give blocks or an InvalidInput, never another error."""
    with suppress(InvalidInput):
        assert parse(b"%PDF-1.4\n" + content, "application/pdf").blocks


HOSTILE = {
    "dots": "." * 400_000 + "x",
    "ticks": "`a <" * 100_000,
    "roles": ":a:`b <" * 60_000,
    "rulers": "-" * 400_000 + "x",
    "one word": "x" * 400_000,
    "stars": "*a " * 60_000,
    "brackets": "[" * 100_000 + "x",
    "quotes": ">" * 400_000 + "x",
    "tables in tables": "<table><tr><td>" * 3_000 + "x",
    "tags": "<" * 400_000 + "x",
}


@pytest.mark.parametrize("media_type", TEXTS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_no_hostile_time(name: str, media_type: str) -> None:
    """Text made to be slow to read takes time in proportion to its length: far below a minute per megabyte."""
    started = time.process_time()
    with suppress(InvalidInput):
        parse(HOSTILE[name].encode(), media_type)
    assert time.process_time() - started < 10

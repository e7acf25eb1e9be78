"""The embedded embedder beside the package whose weights it reads."""

from pathlib import Path

import numpy
import wordllama

from steersman.llm.embedded import WordLlamaEmbedder

TEXTS = (
    "Nothing accepted is lost.",
    "A stage starts when all of its needs have ended, never before.",
    "Übergrößen, naïve café, 東京 and emoji 🚀 in one line",
    "x",
)


def test_vectors_equal_those_of_the_package() -> None:
    """Reading the weights ourselves gives the package's own vectors, up to rounding."""
    package = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    expected = package.embed(list(TEXTS), norm=True)
    ours = numpy.array(WordLlamaEmbedder().embed(TEXTS))
    assert ours.shape == expected.shape
    assert numpy.abs(ours - expected).max() < 1e-3

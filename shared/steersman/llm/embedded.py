"""The embedder that ships with Steersman: WordLlama's 256-dimension weights, on the CPU, with no network."""

import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from steersman.errors import Unavailable
from steersman.llm.port import DIMENSIONS

NAME = "wordllama-l2-supercat-256"
WEIGHTS = "weights/l2_supercat_256.safetensors"
TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
BATCH = 64
MAX_CHARACTERS = 20_000


class WordLlamaEmbedder:
    """Embeds a text as the mean of its tokens' vectors (WordLlama, Dinh 2024).

    Reads weights and tokenizer (18 MB) from the installed package at the first call, without importing it: the
    package has compiled parts that are not needed here and do not exist for Lambda's processor.
    """

    name = NAME
    local = True

    def __init__(self) -> None:
        self._tokenizer: Any = None
        self._weights: Any = None
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a unit vector for each text; a text without a token gets one fixed vector."""
        import numpy as np

        self._load()
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        for start in range(0, len(texts), BATCH):
            batch = [text[:MAX_CHARACTERS] for text in texts[start : start + BATCH]]
            encoded = self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            for number, one in enumerate(encoded, start=start):
                vectors[number] = self._weights[one.ids].sum(axis=0, dtype=np.float32) if one.ids else 0.0
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        empty = np.eye(1, DIMENSIONS, dtype=np.float32)
        rows: list[list[float]] = np.where(lengths > 0, vectors / np.maximum(lengths, 1e-12), empty).tolist()
        return rows

    def _load(self) -> None:
        with self._lock:
            if self._weights is not None:
                return
            from safetensors.numpy import load_file
            from tokenizers import Tokenizer

            folder = _folder()
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            tokenizer.no_padding()
            tokenizer.no_truncation()
            self._tokenizer = tokenizer
            self._weights = load_file(folder / WEIGHTS)["embedding.weight"]


def _folder() -> Path:
    spec = find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable("the embedded model's weights are not installed (package wordllama)")
    return Path(spec.submodule_search_locations[0])

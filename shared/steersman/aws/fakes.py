"""AWS in memory for tests, held to the same contract tests as the real doors."""

import threading

from steersman.errors import NotFound, Unavailable


class MemoryObjects:
    """Objects in a dict. With `away` every call fails as it does when S3 does not answer; `calls` counts them."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.away = False
        self.calls = 0
        self._lock = threading.Lock()

    def put(self, key: str, content: bytes) -> None:
        self._count()
        self.kept[key] = content

    def get(self, key: str) -> bytes:
        self._count()
        try:
            return self.kept[key]
        except KeyError:
            raise NotFound(f"there is no object {key}") from None

    def _count(self) -> None:
        with self._lock:
            self.calls += 1
        if self.away:
            raise Unavailable("the store of large values does not answer; try again", retry_after_s=2)

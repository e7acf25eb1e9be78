"""The door to S3: contents by key, in one bucket."""

import threading
from collections.abc import Callable
from typing import Any, Protocol

from steersman.errors import MissingSetting, NotFound, Unavailable

RETRY_AFTER_S = 2
_MISSING = frozenset({"NoSuchKey", "404"})


class Objects(Protocol):
    """A store of contents by key. Safe to share between threads; both raise Unavailable when it does not answer."""

    def put(self, key: str, content: bytes) -> None:
        """Keep JSON text under a key, whatever was there; harmless to repeat."""
        ...

    def get(self, key: str) -> bytes:
        """Return what is kept under a key; raise NotFound."""
        ...


class S3Objects:
    """Objects in an S3 bucket. `client` is called once, at the first use: making one costs a cold start its time."""

    def __init__(self, client: Callable[[], Any], bucket: str) -> None:
        self._new_client = client
        self._client: Any = None
        self._bucket = bucket
        self._lock = threading.Lock()

    def put(self, key: str, content: bytes) -> None:
        self._call("put_object", Key=key, Body=content, ContentType="application/json")

    def get(self, key: str) -> bytes:
        return bytes(self._call("get_object", Key=key)["Body"])

    def _call(self, action: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._made(), action)(Bucket=self._bucket, **arguments)
            # The body comes after the answer, and may fail like it.
            return {**answer, "Body": answer["Body"].read()} if "Body" in answer else answer
        except ClientError as exc:
            if exc.response.get("Error", {}).get("Code") in _MISSING:
                raise NotFound(f"there is no object {arguments['Key']}") from exc
            raise _away() from exc
        except BotoCoreError as exc:
            raise _away() from exc

    def _made(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._new_client()
            return self._client


class NoObjects:
    """Where no bucket is configured: whoever needs one is told which setting is absent."""

    def put(self, key: str, content: bytes) -> None:  # noqa: ARG002  it takes nothing
        raise _unset()

    def get(self, key: str) -> bytes:  # noqa: ARG002  it has nothing
        raise _unset()


def _away() -> Unavailable:
    return Unavailable("the store of large values does not answer; try again", retry_after_s=RETRY_AFTER_S)


def _unset() -> MissingSetting:
    return MissingSetting("values over 64 KiB need a bucket: set STEERSMAN_DOCUMENTS_BUCKET")

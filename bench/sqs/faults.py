"""How the stand-in misbehaves on request: plain callables that are asked about each call, entry or message."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Entry = dict[str, Any]  # of a SendMessageBatch: Id, MessageBody, DelaySeconds
Record = dict[str, Any]  # of a Lambda event: messageId, body, attributes, ...


class Failure(StrEnum):
    """How a whole call fails. botocore itself tries UNAVAILABLE and ANSWER_LOST again, and not DENIED."""

    UNAVAILABLE = "unavailable"  # nothing is taken, the answer is 503
    ANSWER_LOST = "answer_lost"  # all is taken, but the connection breaks before the answer
    DENIED = "denied"  # nothing is taken, the answer is 403


@dataclass(frozen=True, kw_only=True)
class SenderFaults:
    """`fail_call(queue, entries)` returns how a call fails, or None. `fail_entries(queue, entries)` returns the Ids
    of entries that are not taken and come back under "Failed". Both are asked at every try of botocore's.
    """

    fail_call: Callable[[str, Sequence[Entry]], Failure | None] = lambda _queue, _entries: None
    fail_entries: Callable[[str, Sequence[Entry]], Collection[str]] = lambda _queue, _entries: ()


@dataclass(frozen=True, kw_only=True)
class ReceiverFaults:
    """`again(queue, record)` returns after how many seconds a copy comes once more (0.0: at once, perhaps to another
    worker), or None. `late(queue, record)` returns for how many seconds the message is put back instead of being
    delivered, or None. `order(records)` returns the records of a batch as they are to be delivered, the same ones.
    """

    again: Callable[[str, Record], float | None] = lambda _queue, _record: None
    late: Callable[[str, Record], float | None] = lambda _queue, _record: None
    order: Callable[[list[Record]], list[Record]] = lambda records: records

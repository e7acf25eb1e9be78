"""Opaque cursors of lists: where the next page begins, bound to the list they belong to."""

import base64
import binascii
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from steersman.errors import Fault, InvalidInput

Cursor = Annotated[str | None, Query(description="The `next_cursor` of the page before", max_length=500)]
Limit = Annotated[int, Query(ge=1, le=200, description="Rows of a page")]


def encode(kind: str, position: str) -> str:
    """Return the cursor of list `kind` behind the row at `position`."""
    return base64.urlsafe_b64encode(f"{kind}:{position}".encode()).decode().rstrip("=")


def decode(kind: str, cursor: str | None) -> str | None:
    """Return the position in a cursor (None: the first page); raise InvalidInput when it is not one of `kind`."""
    if cursor is None:
        return None
    try:
        found, _, position = (
            base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
        )
    except (ValueError, binascii.Error):
        found, position = "", ""
    if found != kind or not position:
        raise _unknown()
    return position


def decode_id(kind: str, cursor: str | None) -> UUID | None:
    """Return the id in a cursor whose positions are ids, as `decode` does."""
    position = decode(kind, cursor)
    try:
        return UUID(position) if position else None
    except ValueError:
        raise _unknown() from None


def _unknown() -> InvalidInput:
    fault = Fault("cursor", "not a cursor of this list; leave it out to start from the first page")
    return InvalidInput("the cursor is not valid", faults=(fault,))

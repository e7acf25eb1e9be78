"""How a document that cannot be taken in is refused: with the field and the reason."""

from steersman.errors import Fault, InvalidInput, TooLarge


def refused(field: str, reason: str) -> InvalidInput:
    """Return the refusal of one field of a document."""
    return InvalidInput(f"The document cannot be read: its {field} {reason}.", faults=(Fault(field, reason),))


def too_large(reason: str) -> TooLarge:
    """Return the refusal of a document that is over a limit."""
    return TooLarge(f"The document is too large: its content {reason}.", faults=(Fault("content", reason),))

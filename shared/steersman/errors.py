"""The errors of Steersman: a small tree, each class with a stable code.

HTTP statuses, batch item failures and Step Functions error names are assigned at the edges, in one table each.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an input: the field it is in (a dotted path) and the reason."""

    field: str
    reason: str


class SteersmanError(Exception):
    """Something a caller can be told. `code` never changes; `retryable` says whether trying again can help."""

    code = "internal"
    retryable = False

    def __init__(
        self, message: str, *, faults: tuple[Fault, ...] = (), retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.faults = faults
        self.retry_after_s = retry_after_s


class InvalidInput(SteersmanError):
    """The input breaks a rule; `faults` name the fields."""

    code = "invalid_input"


class TooLarge(InvalidInput):
    """The input is larger than the limit that the message names."""

    code = "too_large"


class NotJson(InvalidInput):
    """The body is not JSON."""

    code = "not_json"


class NotFound(SteersmanError):
    """What was asked for does not exist in this project."""

    code = "not_found"


class Forbidden(SteersmanError):
    """The caller may not do this; the message says who may."""

    code = "forbidden"


class Conflict(SteersmanError):
    """The state of the object does not allow this."""

    code = "conflict"


class KeyReused(InvalidInput):
    """An Idempotency-Key came again with another body."""

    code = "idempotency_key_reused"


class RateLimited(SteersmanError):
    """The caller is over its rate limit."""

    code = "rate_limited"
    retryable = True


class Unavailable(SteersmanError):
    """A store or service that is needed does not answer now."""

    code = "unavailable"
    retryable = True


class AgentError(SteersmanError):
    """An agent could not do its stage."""

    code = "agent_error"
    retryable = True


class AgentRefused(AgentError):
    """An agent says that this input can never succeed: trying again is useless."""

    code = "agent_refused"
    retryable = False


class AgentThrottled(AgentError):
    """An agent, or the model behind it, asks to be called less often; `retry_after_s` says when again, if it did."""

    code = "agent_throttled"


class StageTimeout(AgentError):
    """A stage ran longer than its `timeout_s`."""

    code = "stage_timeout"


class NoAgent(AgentError):
    """No active agent has the capability that a stage asks for."""

    code = "no_agent"


class InvalidResult(AgentError):
    """An agent's result does not match the stage's output schema."""

    code = "invalid_result"


class PayloadGone(SteersmanError):
    """A large value is not in the bucket any more: its retention is over, or somebody deleted it."""

    code = "payload_gone"


class PayloadDamaged(SteersmanError):
    """A large value in the bucket is not the one that was put there."""

    code = "payload_damaged"


class MissingSetting(SteersmanError):
    """A setting that this part needs is absent or wrong; the message names its environment variable."""

    code = "missing_setting"

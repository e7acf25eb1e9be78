"""What a stage can be besides a job for an agent: a fan-out, a task of its own, an approval, a wait."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from steersman.tasks.words import StageKind

YEAR_S = 31_536_000.0
NO_AGENT = frozenset({StageKind.TASK, StageKind.APPROVAL, StageKind.WAIT})
MAX_ITEMS = 10_000
MAX_CONCURRENCY = 1000

TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
# A pattern over the caller's name as the API knows it (an IAM ARN, for one); `*` stands for anything.
Principal = Annotated[str, StringConstraints(min_length=1, max_length=300)]
JsonObject = dict[str, Any]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ForEach(Part):
    """Do the stage once for each item of a list, each as a task of its own, and join their outputs."""

    items: Expression = Field(description="JMESPath over {input, results} that gives a list")
    input: Expression | None = Field(
        default=None,
        description="JMESPath over {input, results, item, index} that gives an item's input, an object; "
        "default {item, index}",
    )
    concurrency: int = Field(default=10, ge=1, le=MAX_CONCURRENCY, description="Items at work at a time")
    max_items: int = Field(default=MAX_ITEMS, ge=1, le=MAX_ITEMS)
    at_least: int | None = Field(
        default=None, ge=0, le=MAX_ITEMS, description="It is enough that so many complete"
    )
    tolerate: int | None = Field(default=None, ge=0, le=MAX_ITEMS, description="So many may fail")
    collect: bool = Field(
        default=True, description="Whether the stage's output holds those of the items, or counts only"
    )

    @model_validator(mode="after")
    def _one_policy(self) -> Self:
        if self.at_least is not None and self.tolerate is not None:
            raise ValueError("give at_least or tolerate, not both")
        return self

    def tolerated(self, items: int) -> int:
        """Return how many of `items` may fail before the stage does; below zero when it cannot succeed at all."""
        if self.at_least is not None:
            return items - self.at_least
        return self.tolerate or 0


class NestedTask(Part):
    """The task that a stage of kind `task` starts and waits for."""

    template: TemplateName
    version: int | None = Field(default=None, ge=1, description="Default: the newest when the stage begins")
    input: Expression | None = Field(
        default=None,
        description="JMESPath over {input, results} (and item, index) that gives its input, an object; "
        "default the task's own, or the item",
    )


class Approval(Part):
    """What a person or a system is asked, who may answer, and what holds when nobody does."""

    ask: str = Field(min_length=1, max_length=2000, description="What is to be decided")
    by: tuple[Principal, ...] = Field(default=(), max_length=50, description="Who may answer; none: anybody")
    timeout_s: float | None = Field(default=None, ge=1, le=YEAR_S)
    escalate_to: tuple[Principal, ...] = Field(
        default=(), max_length=50, description="Who may answer too when timeout_s is over"
    )
    escalate_timeout_s: float | None = Field(
        default=None, ge=1, le=YEAR_S, description="How long those have; default timeout_s"
    )
    default: JsonObject | None = Field(
        default=None, description="The answer when nobody gave one in time; without it the stage fails"
    )
    answer_schema: JsonObject | None = Field(default=None, description="JSON Schema of the answer's object")
    continue_on_reject: bool = Field(
        default=False,
        description="Whether a rejection completes the stage with approved: false, or fails it",
    )

    @model_validator(mode="after")
    def _times(self) -> Self:
        if self.timeout_s is None:
            for name in ("escalate_to", "escalate_timeout_s", "default"):
                if getattr(self, name):
                    raise ValueError(f"{name} comes after timeout_s, which is not given")
        elif self.escalate_timeout_s is not None and not self.escalate_to:
            raise ValueError("escalate_timeout_s needs escalate_to")
        return self

    @property
    def longest_s(self) -> float | None:
        """How long the stage waits at most, or None: for as long as the task may."""
        if self.timeout_s is None:
            return None
        return self.timeout_s + ((self.escalate_timeout_s or self.timeout_s) if self.escalate_to else 0)


class Wait(Part):
    """A pause: for a duration, or until a time that the input or an earlier result gives."""

    for_s: float | None = Field(default=None, gt=0, le=YEAR_S)
    until: Expression | None = Field(
        default=None, description="JMESPath over {input, results} that gives a time in RFC 3339 form"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.for_s is None) == (self.until is None):
            raise ValueError("give for_s or until, one of them")
        return self

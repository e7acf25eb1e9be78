"""What a state machine and the workers of the stage queues tell each other."""

from enum import StrEnum

from steersman.tasks.words import FailureKind

# In a definition this stands for the address of the stage queues, up to '<queue>-<lane>'.
QUEUE_PREFIX = "${QueuePrefix}"


class Move(StrEnum):
    """What a message asks of the worker that takes it; each is answered through the message's token."""

    RUN = (
        "run"  # one attempt at a stage: {"status", "when"}; of kind task, when the task it started has ended
    )
    OPEN = "open"  # evaluate the list of a fan-out and create its items: {"items": [0, 1, …]}
    ITEM = "item"  # do one item, `item` of the message
    JOIN = "join"  # end a fan-out whose items have ended: {"status", "when"}
    ASK = "ask"  # put the question of an approval: {"status", "when"} when it is answered
    ESCALATE = "escalate"  # put it to those of `escalate_to` too
    EXPIRE = "expire"  # nobody answered in time: take the default, or fail: {"status", "when"}
    BEGIN = "begin"  # begin a wait: {"until"}, a time in RFC 3339 form, the task's deadline at the latest
    END = "end"  # end a wait: {"status", "when"}
    GIVE_UP = "give_up"  # the state machine itself could not go on with a stage: do as `on_error` says
    UNDO = "undo"  # the task failed: {"undo": {stage that undoes: true, …}}, of those whose stages completed


class Failure(StrEnum):
    """The names of errors with which a worker answers. What follows is decided by the planner, and named by these."""

    THROTTLED = "Steersman.Throttled"  # to be tried again, by the rule for its kind
    TIMEOUT = "Steersman.Timeout"
    PERMANENT = "Steersman.Permanent"
    FAILED = "Steersman.Failed"
    LEASE_LOST = "Steersman.LeaseLost"
    ITEM_FAILED = "Steersman.ItemFailed"  # an item failed for good, and the fan-out can still succeed
    FINAL = "Steersman.Final"  # not to be tried again: the task fails, or has ended


FAILURE_OF = {
    FailureKind.THROTTLED: Failure.THROTTLED,
    FailureKind.TIMEOUT: Failure.TIMEOUT,
    FailureKind.PERMANENT: Failure.PERMANENT,
}

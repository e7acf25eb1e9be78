"""The door to Step Functions: state machines and their versions, executions, and the answers to tokens."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from steersman.errors import Unavailable
from steersman.json import dumps_text

# What a token that nobody waits for any more is answered with: the state was left, or its execution has ended.
_NOBODY_WAITS = frozenset({"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"})
_NO_ANSWERS = "Step Functions does not take answers; try again"
MAX_CAUSE = 32_768  # of a failure; Step Functions refuses longer ones
MAX_GENERATIONS = 100  # executions of one task: each run again has one


class SfnClient(Protocol):
    def start_execution(self, **given: Any) -> Any: ...
    def describe_execution(self, **given: Any) -> Any: ...
    def stop_execution(self, **given: Any) -> Any: ...
    def send_task_success(self, **given: Any) -> Any: ...
    def send_task_failure(self, **given: Any) -> Any: ...
    def create_state_machine(self, **given: Any) -> Any: ...
    def update_state_machine(self, **given: Any) -> Any: ...
    @property
    def meta(self) -> Any: ...


class StateMachines:
    """Machines whose names begin with `prefix`, made with the role `role_arn` (only where any are made).

    A task's executions are named by its id and, from the second on, their number: the same one begins once, whoever
    asks how often.
    """

    def __init__(self, client: SfnClient, *, prefix: str = "", role_arn: str = "") -> None:
        self._client = client
        self._prefix = prefix
        self._role_arn = role_arn

    def publish(self, name: str, definition: Mapping[str, Any], *, description: str) -> str:
        """Make the definition the next version of a machine; return the version's ARN. Raise Unavailable.

        The same definition published again with the same description is the same version.
        """
        full, text = f"{self._prefix}{name}", dumps_text(definition)
        with _calls("Step Functions does not take the state machine; try again"):
            try:
                made = self._client.create_state_machine(
                    name=full,
                    definition=text,
                    roleArn=self._role_arn,
                    publish=True,
                    versionDescription=description,
                )
            except Exception as exc:
                if _code(exc) not in {"StateMachineAlreadyExists", "ConflictException"}:
                    raise
                made = self._client.update_state_machine(
                    stateMachineArn=self._arn(full),
                    definition=text,
                    roleArn=self._role_arn,
                    publish=True,
                    versionDescription=description,
                )
        found: str = made["stateMachineVersionArn"]
        return found

    def _arn(self, machine: str) -> str:
        _, partition, _, _, account, _ = self._role_arn.split(":", 5)
        return f"arn:{partition}:states:{self._client.meta.region_name}:{account}:stateMachine:{machine}"

    def begin(self, version_arn: str, task_id: str, given: Mapping[str, Any]) -> None:
        """Have an execution of a task run: the one that does, or the next. Raise Unavailable."""
        for number in range(1, MAX_GENERATIONS + 1):
            name = _execution(task_id, number)
            with _calls("Step Functions does not begin; try again"):
                try:
                    self._client.start_execution(
                        stateMachineArn=version_arn, name=name, input=dumps_text(given)
                    )
                except Exception as exc:
                    if _code(exc) != "ExecutionAlreadyExists":
                        raise
                    arn = _execution_arn(version_arn, name)
                    if self._client.describe_execution(executionArn=arn)["status"] not in _RUNS:
                        continue
            return

    def stop(self, version_arn: str, task_id: str, *, error: str, cause: str) -> None:
        """End the executions of a task; harmless where there are none. Raise Unavailable."""
        for number in range(1, MAX_GENERATIONS + 1):
            arn = _execution_arn(version_arn, _execution(task_id, number))
            with _calls("Step Functions does not stop; try again"):
                try:
                    self._client.stop_execution(executionArn=arn, error=error, cause=cause[:MAX_CAUSE])
                except Exception as exc:
                    if _code(exc) == "ExecutionDoesNotExist":
                        return
                    if _code(exc) != "ValidationException":  # it is not running
                        raise

    def succeed(self, token: str, output: Mapping[str, Any]) -> bool:
        """Answer a token; return False where nobody waits for it any more. Raise Unavailable."""
        with _calls(_NO_ANSWERS, *_NOBODY_WAITS):
            self._client.send_task_success(taskToken=token, output=dumps_text(output))
            return True
        return False

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Answer a token with the name of a failure; return False where nobody waits for it any more."""
        with _calls(_NO_ANSWERS, *_NOBODY_WAITS):
            self._client.send_task_failure(taskToken=token, error=error, cause=cause[:MAX_CAUSE])
            return True
        return False


_RUNS = frozenset({"RUNNING", "PENDING_REDRIVE"})


def _execution(task_id: str, number: int) -> str:
    return task_id if number == 1 else f"{task_id}-{number}"


def _execution_arn(version_arn: str, name: str) -> str:
    """Return the ARN of an execution, from that of a version (`…:stateMachine:<machine>:<version>`)."""
    *head, _, machine, _version = version_arn.split(":")
    return ":".join([*head, "execution", machine, name])


def _code(exc: Exception) -> str:
    response = getattr(exc, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


@contextmanager
def _calls(refusal: str, *harmless: str) -> Iterator[None]:
    """Raise Unavailable for what AWS refuses, except for the errors that are `harmless`."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as exc:
        if _code(exc) not in harmless:
            raise Unavailable(refusal, retry_after_s=5) from exc

"""The program that answers as AWS does: ministack, with the branches of its state machines kept apart."""

from typing import Any


def keep_branches_apart() -> None:
    """Give each branch of a Parallel state a context of its own.

    ministack lets branches share one: a branch that begins a task while another waits takes away its token and its
    count of retries, so that the other is answered in its place. In AWS the context object is each state's own.
    """
    from ministack.services import stepfunctions

    run = stepfunctions._run_sub_machine

    def run_apart(states: Any, start_at: Any, given: Any, execution: Any, context: dict[str, Any]) -> Any:
        return run(states, start_at, given, execution, dict(context))

    stepfunctions._run_sub_machine = run_apart


if __name__ == "__main__":
    from ministack.app import main

    keep_branches_apart()
    main()

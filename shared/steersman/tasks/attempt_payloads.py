"""Large values of a batch of attempts: how many are in memory at a time, and outputs on their way into the bucket."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from steersman.errors import SteersmanError
from steersman.json import dumps_text
from steersman.tasks.attempt_store import Outcome
from steersman.tasks.payloads import Payloads, references_of
from steersman.tasks.planner import Decision, describe
from steersman.tasks.references import Reference, goes_apart

if TYPE_CHECKING:
    from steersman.tasks.attempts import Attempt

WAVE_BYTES = 32_000_000  # of JSON, which takes several times as much when it is read; a function has 512 MB


def in_waves(attempts: Sequence["Attempt"]) -> Iterator[Sequence["Attempt"]]:
    """Yield attempts in parts, whose large values have at most WAVE_BYTES together (or are those of one attempt)."""
    wave: list[Attempt] = []
    seen: set[Reference] = set()
    for attempt in attempts:
        own = set(references_of(attempt.job))
        if wave and sum(reference.size for reference in seen | own) > WAVE_BYTES:
            yield wave
            wave, seen = [], set()
        wave.append(attempt)
        seen |= own
    yield wave


def kept(
    outcomes: list[Outcome],
    attempts: Sequence["Attempt"],
    payloads: Payloads,
    failed: Callable[["Attempt", SteersmanError], Decision],
) -> list[Outcome]:
    """Return outcomes whose large outputs lie in the bucket; of one that it does not take the attempt has `failed`."""
    places = [
        place
        for place, one in enumerate(outcomes)
        if (output := one.decision.output) is not None
        and goes_apart(output, one.output_text or dumps_text(output))
    ]
    if not places:
        return outcomes
    texts = [(outcomes[place].task_id, _text(outcomes[place]).encode()) for place in places]
    by_key = {(attempt.job.task_id.int, attempt.job.stage): attempt for attempt in attempts}
    for place, answer in zip(places, payloads.keep(texts), strict=True):
        one = outcomes[place]
        if isinstance(answer, SteersmanError):
            outcomes[place] = _not_kept(by_key[one.task_id.int, one.stage], one, answer, failed)
        else:
            document = answer.document()
            outcomes[place] = one._replace(
                decision=one.decision._replace(output=document), output_text=dumps_text(document)
            )
    return outcomes


def _not_kept(
    attempt: "Attempt",
    outcome: Outcome,
    error: SteersmanError,
    failed: Callable[["Attempt", SteersmanError], Decision],
) -> Outcome:
    """Decide on a result that the bucket did not take; what it cost stays."""
    follows = outcome._replace(decision=failed(attempt, error), output_text=None, quality=None)
    output = follows.decision.output
    if output is not None and goes_apart(output, _text(follows)):  # the fallback is as large
        follows = follows._replace(decision=attempt.plan.fatal(describe(error)))
    return follows


def _text(outcome: Outcome) -> str:
    return outcome.output_text or dumps_text(outcome.decision.output)

"""Large values: put into the bucket before their row is written, and read back for whoever sees them."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any
from uuid import UUID

from steersman.agents.job import StageJob
from steersman.aws.objects import NoObjects, Objects
from steersman.errors import NotFound, PayloadDamaged, PayloadGone, SteersmanError, Unavailable
from steersman.json import loads
from steersman.tasks.references import MARK, Reference, reference_in, reference_to

PARALLEL = 8  # botocore keeps ten connections
PATIENCE_S = (
    15.0  # half a lease: loading and the first renewal fit into one, so do the last renewal and keeping
)


class Payloads:
    """Keeps and loads values, side by side, in at most `patience_s`. Without `objects` every large value is an error.

    What one value meets is its own answer, a SteersmanError in the place of its result: Unavailable when the store does
    not answer (nothing is half-done: try again), PayloadGone, PayloadDamaged. It is never raised here.
    """

    def __init__(self, objects: Objects | None = None, *, patience_s: float = PATIENCE_S) -> None:
        self._objects = objects or NoObjects()
        self._patience_s = patience_s
        # Without threads until they are needed.
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="payloads")

    def keep(self, values: Sequence[tuple[UUID, bytes]]) -> list[Reference | SteersmanError]:
        """Put the JSON texts of tasks' values into the bucket; harmless to repeat. The answers are in their order."""
        return self._side_by_side(self._put, values)

    def load(self, references: Iterable[Reference]) -> dict[Reference, Any]:
        """Return the value, or the error, of each reference; one that comes twice is read once."""
        asked = list(dict.fromkeys(references))
        return dict(zip(asked, self._side_by_side(self._get, asked), strict=True))

    def whole_jobs(self, jobs: Sequence[StageJob]) -> Sequence[StageJob | SteersmanError]:
        """Return jobs with the real values of their input and results; an error where one of them cannot be read.

        What several jobs see is read once, and theirs to share.
        """
        if not any_references(jobs):
            return jobs
        seen = [references_of(job) for job in jobs]
        loaded = self.load(reference for references in seen for reference in references)
        return [_filled(job, loaded) if found else job for job, found in zip(jobs, seen, strict=True)]

    def _put(self, value: tuple[UUID, bytes]) -> Reference:
        task_id, content = value
        reference = reference_to(task_id, content)
        self._objects.put(reference.key, content)
        return reference

    def _get(self, reference: Reference) -> Any:
        try:
            content = self._objects.get(reference.key)
        except NotFound as exc:
            raise PayloadGone(
                f"a value of {reference.size} bytes is no longer kept: its retention is over, or it was deleted; "
                "submit the task anew"
            ) from exc
        if hashlib.sha256(content).hexdigest() != reference.sha256:
            raise PayloadDamaged(f"what is kept as {reference.key} is not what was put there")
        return loads(content)

    def _side_by_side(self, action: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        futures = [self._pool.submit(_answer, action, item) for item in items]
        wait(futures, timeout=self._patience_s)
        for future in futures:
            future.cancel()
        late = Unavailable("the store of large values is too slow; try again", retry_after_s=5)
        return [future.result() if future.done() and not future.cancelled() else late for future in futures]


def _answer(action: Callable[[Any], Any], item: Any) -> Any:
    try:
        return action(item)
    except SteersmanError as exc:
        return exc


def any_references(jobs: Iterable[StageJob]) -> bool:
    """Say whether some job may see a reference: asked of every batch, and almost always no, so it is quick."""
    for job in jobs:
        if MARK in job.input:
            return True
        for value in job.results.values():
            if value and MARK in value:
                return True
    return False


def references_of(job: StageJob) -> list[Reference]:
    """Return the references among what a job sees."""
    values = (job.input, *job.results.values())
    return [found for value in values if (found := reference_in(value)) is not None]


def _filled(job: StageJob, loaded: dict[Reference, Any]) -> StageJob | SteersmanError:
    def real(value: Any) -> Any:
        reference = reference_in(value)
        return value if reference is None else loaded[reference]

    task_input = real(job.input)
    results = {stage: real(value) for stage, value in job.results.items()}
    errors = [value for value in (task_input, *results.values()) if isinstance(value, SteersmanError)]
    return errors[0] if errors else job._replace(input=task_input, results=results)

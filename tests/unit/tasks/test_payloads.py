"""Keeping and loading values side by side, whatever the store does."""

import threading

from steersman.agents.job import StageJob
from steersman.aws.fakes import MemoryObjects
from steersman.errors import MissingSetting, PayloadDamaged, PayloadGone, Unavailable
from steersman.ids import new_id
from steersman.json import dumps
from steersman.tasks.payloads import PARALLEL, Payloads
from steersman.tasks.references import Reference, reference_to
from tests.unit.agents_builtin.jobs import job

TASK = new_id()


def kept(payloads: Payloads, *values: object) -> list[Reference]:
    answers = payloads.keep([(TASK, dumps(value)) for value in values])
    assert all(isinstance(answer, Reference) for answer in answers)
    return [answer for answer in answers if isinstance(answer, Reference)]


def test_values_come_back_in_their_order_each_read_once() -> None:
    """Whatever was kept is loaded as it was; a reference that is asked for twice is read once."""
    objects = MemoryObjects()
    payloads = Payloads(objects)
    values = [{"n": n} for n in range(3 * PARALLEL)]
    references = kept(payloads, *values)
    objects.calls = 0
    assert payloads.load([*references, *references]) == dict(zip(references, values, strict=True))
    assert objects.calls == len(values)


def test_what_one_value_meets_is_its_own_answer() -> None:
    """A value that is gone, and one that was changed, are errors in their own places; the rest is loaded."""
    objects = MemoryObjects()
    payloads = Payloads(objects)
    gone, changed, right = kept(payloads, {"a": 1}, {"a": 2}, {"a": 3})
    del objects.kept[gone.key]
    objects.kept[changed.key] = b'{"a":9}'
    loaded = payloads.load([gone, changed, right])
    assert isinstance(loaded[gone], PayloadGone)
    assert isinstance(loaded[changed], PayloadDamaged)
    assert loaded[right] == {"a": 3}
    assert not loaded[gone].retryable
    assert not loaded[changed].retryable


def test_a_store_that_is_away_can_be_tried_again() -> None:
    """While the store is away each answer is Unavailable, and nothing is raised."""
    objects = MemoryObjects()
    objects.away = True
    payloads = Payloads(objects)
    (answer,) = payloads.keep([(TASK, b"{}")])
    assert isinstance(answer, Unavailable)
    reference = reference_to(TASK, b"{}")
    assert isinstance(payloads.load([reference])[reference], Unavailable)


def test_a_store_that_hangs_is_not_waited_for() -> None:
    """After its patience a call that hangs, and one that waits behind it, are Unavailable; what came is there."""
    let_go, objects = threading.Event(), MemoryObjects()
    payloads = Payloads(objects, patience_s=0.2)
    (quick,) = kept(payloads, {"quick": True})
    slow = [reference_to(new_id(), b"{}") for _ in range(PARALLEL + 1)]
    get = objects.get

    def hang(key: str) -> bytes:
        if key != quick.key:
            let_go.wait(30)
        return get(key)

    objects.get = hang  # type: ignore[method-assign]
    loaded = payloads.load([quick, *slow])
    let_go.set()
    assert loaded.pop(quick) == {"quick": True}
    assert {type(answer) for answer in loaded.values()} == {Unavailable}


def test_jobs_without_references_are_left_as_they_are() -> None:
    """Where nothing is large the same jobs come back, and the store is not asked."""
    objects = MemoryObjects()
    jobs = [job(input={"a": 1}, results={"x": None, "y": {}, "z": {"b": 2}}) for _ in range(3)]
    assert Payloads(objects).whole_jobs(jobs) is jobs
    assert objects.calls == 0


def test_jobs_get_the_real_values_and_share_them() -> None:
    """Input and results are filled in; a value that many jobs see is read once."""
    objects = MemoryObjects()
    payloads = Payloads(objects)
    task_input, result = kept(payloads, {"in": 1}, {"out": 2})
    plain = job(input={"a": 1})
    large = [job(input=task_input.document(), results={"x": result.document(), "y": None}) for _ in range(5)]
    objects.calls = 0
    first, *rest = payloads.whole_jobs([plain, *large])
    assert first is plain
    for one in rest:
        assert isinstance(one, StageJob)
        assert (one.input, one.results) == ({"in": 1}, {"x": {"out": 2}, "y": None})
    assert objects.calls == 2


def test_a_job_whose_value_is_gone_is_an_error_of_its_own() -> None:
    """Only the job that sees what is gone gets the error."""
    objects = MemoryObjects()
    payloads = Payloads(objects)
    gone, there = kept(payloads, {"a": 1}, {"a": 2})
    del objects.kept[gone.key]
    failed, whole = payloads.whole_jobs([job(input=gone.document()), job(input=there.document())])
    assert isinstance(failed, PayloadGone)
    assert isinstance(whole, StageJob)
    assert whole.input == {"a": 2}


def test_without_a_bucket_large_values_are_errors_that_name_it() -> None:
    """Payloads without a store say which setting is missing."""
    (answer,) = Payloads().keep([(TASK, b"{}")])
    assert isinstance(answer, MissingSetting)
    assert "STEERSMAN_DOCUMENTS_BUCKET" in answer.message

"""Every store of objects keeps the same contract: S3 by moto, and the one in memory."""

from typing import Any

import pytest

from steersman.aws.fakes import MemoryObjects
from steersman.aws.objects import NoObjects, Objects, S3Objects
from steersman.errors import MissingSetting, NotFound, Unavailable
from tests.fixtures import absent
from tests.fixtures.aws import BUCKET, REGION, Aws


@pytest.fixture(params=["s3", "memory"])
def objects(request: pytest.FixtureRequest, aws: Aws) -> Objects:
    return S3Objects(lambda: aws.client("s3"), BUCKET) if request.param == "s3" else MemoryObjects()


def test_what_was_put_is_there(objects: Objects) -> None:
    """Any bytes come back as they were put, also when they were put twice; the last ones count."""
    for content in (b"first", b"\x00\xff" * 50_000, b"last", b"last"):
        objects.put("payloads/a", content)
        assert objects.get("payloads/a") == content


def test_what_is_not_there_is_not_found(objects: Objects) -> None:
    """A key under which nothing is kept is NotFound, which waiting does not change."""
    with pytest.raises(NotFound, match="payloads/none"):
        objects.get("payloads/none")


@pytest.fixture(params=["no bucket", "no server", "memory"])
def away(request: pytest.FixtureRequest, aws: Aws) -> Objects:
    """A store that does not answer."""
    if request.param == "memory":
        memory = MemoryObjects()
        memory.away = True
        return memory
    if request.param == "no bucket":
        return S3Objects(lambda: aws.client("s3"), "no-such-bucket")
    return S3Objects(_unreachable, BUCKET)


def _unreachable() -> object:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, retries={"total_max_attempts": 1})
    return boto3.client("s3", region_name=REGION, endpoint_url=absent.http_url(), config=config)


def test_a_store_that_does_not_answer_is_unavailable(away: Objects) -> None:
    """A store that is away says so, with the time to try again: nothing is taken for missing."""
    for call in (lambda: away.put("payloads/a", b"1"), lambda: away.get("payloads/a")):
        with pytest.raises(Unavailable) as caught:
            call()
        assert caught.value.retry_after_s


def test_a_client_is_made_once_and_only_when_it_is_needed(aws: Aws) -> None:
    """A function that meets no large value pays nothing for S3."""
    made: list[Any] = []

    def client() -> Any:
        made.append(aws.client("s3"))
        return made[-1]

    objects = S3Objects(client, BUCKET)
    assert made == []
    objects.put("payloads/a", b"1")
    objects.get("payloads/a")
    assert len(made) == 1


def test_without_a_bucket_the_missing_setting_is_named() -> None:
    """Where no bucket is configured, whoever needs one is told the name of the setting."""
    for call in (lambda: NoObjects().put("a", b""), lambda: NoObjects().get("a")):
        with pytest.raises(MissingSetting, match="STEERSMAN_DOCUMENTS_BUCKET"):
            call()

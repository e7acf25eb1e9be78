"""The whole local cloud, up and down, with an app of two resources."""

import json
import threading
from pathlib import Path

import boto3
import psutil
import psycopg
import pytest

from steersman.local.cloud import LocalCloud
from steersman.local.endpoints import Endpoints
from steersman.local.errors import LocalCloudError
from steersman.local.ports import free_port
from steersman.local.processes import find
from steersman.local.records import read_records
from steersman.local.settings import LocalSettings
from steersman.local.steps import Step


class Details:
    """Progress that keeps what each step did."""

    def __init__(self) -> None:
        self.done: dict[str, str] = {}

    def started(self, step: str) -> None:
        self.done[step] = "started"

    def finished(self, step: str, seconds: float, detail: str) -> None:
        self.done[step] = detail

    def failed(self, step: str, seconds: float, error: BaseException) -> None:
        self.done[step] = f"failed: {error}"


def up(cloud: LocalCloud) -> dict[str, str]:
    details = Details()
    cloud.up(details)
    return details.done


def documents(endpoints: Endpoints) -> "boto3.resources.base.ServiceResource":
    session = boto3.Session("000000000000", "local", region_name="us-east-1")
    return session.resource("s3", endpoint_url=endpoints.cloud_url).Bucket(endpoints.documents_bucket)


def kill(cloud: LocalCloud, *parts: str) -> None:
    records = read_records(cloud.folder / "processes.json")
    processes = [find(records[part].identity) for part in parts]
    for process in processes:
        assert process is not None
        process.kill()
    psutil.wait_procs([process for process in processes if process], timeout=20)


def test_up_twice_is_harmless_and_quick(new_cloud: LocalCloud) -> None:
    """A second `up` finds everything running, synthesises and deploys nothing."""
    first = new_cloud.up()
    done = up(new_cloud)
    assert {part.state for part in new_cloud.status()} == {"running"}
    assert done["synthesis"] == done["deploy"] == "unchanged"
    assert done["cloud"].startswith("already running")
    assert new_cloud.endpoints() == first
    assert first.api_url.endswith(first.outputs["ApiId"])


def test_everything_survives_down_and_up(cloud: LocalCloud) -> None:
    """After `down` nothing runs; after `up` again rows, documents and the API are what they were."""
    endpoints = cloud.up()
    documents(endpoints).put_object(Key="a/b", Body=b"text")
    with psycopg.connect(endpoints.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS id")
    cloud.down()
    assert {part.state for part in cloud.status()} == {"stopped"}
    done = up(cloud)
    again = cloud.endpoints()
    assert done["deploy"] == "unchanged"
    assert again == endpoints
    assert documents(again).Object("a/b").get()["Body"].read() == b"text"
    with psycopg.connect(again.database_url) as connection:
        assert connection.execute("SELECT id FROM kept").fetchone() == (7,)


def test_killed_parts_are_repaired_without_a_deployment(cloud: LocalCloud) -> None:
    """When every part was killed, `status` says so and `up` brings all of them back as they were deployed."""
    endpoints = cloud.up()
    documents(endpoints).put_object(Key="late", Body=b"text")
    kill(cloud, "database", "cache", "cloud")
    assert {part.state for part in cloud.status()} == {"crashed"}
    done = up(cloud)
    assert done["deploy"] == "unchanged"
    assert documents(cloud.endpoints()).Object("late").get()["Body"].read() == b"text"


def test_a_lost_deployment_is_made_again_with_its_documents(cloud: LocalCloud) -> None:
    """When the emulator's state is gone but not its objects, `up` deploys anew and keeps the documents."""
    before = cloud.up()
    documents(before).put_object(Key="a", Body=b"text")
    kill(cloud, "cloud")
    for state in (cloud.folder / "cloud" / "state").glob("*.json"):
        state.unlink()
    done = up(cloud)
    assert (done["bootstrap"], done["deploy"]) == ("bootstrapped", "deployed")
    assert documents(cloud.endpoints()).Object("a").get()["Body"].read() == b"text"


def test_a_failing_app_is_explained_and_up_continues(new_cloud: LocalCloud, repository: Path) -> None:
    """A broken app fails its step with the log's last line; once mended, `up` goes on from there."""
    app = repository / "infra" / "app.py"
    sound = app.read_text()
    app.write_text("raise SystemExit('no such queue')")
    with pytest.raises(LocalCloudError, match="no such queue") as caught:
        new_cloud.up()
    assert caught.value.log == new_cloud.log("synthesis")
    with pytest.raises(LocalCloudError, match="nothing is deployed"):
        _ = new_cloud.endpoints().api_url
    app.write_text(sound)
    done = up(new_cloud)
    assert done["database"].startswith("already running")
    assert done["deploy"] == "deployed"


def test_a_failing_deployment_is_explained_and_up_continues(new_cloud: LocalCloud, repository: Path) -> None:
    """A stack that cannot be made fails with its reason and log; once mended, `up` makes it."""
    app = repository / "infra" / "app.py"
    sound = app.read_text()
    app.write_text(sound.replace("AWS::ApiGatewayV2::Api", "AWS::No::Such"))
    with pytest.raises(LocalCloudError, match="AWS::No::Such") as caught:
        new_cloud.up()
    assert caught.value.log == new_cloud.log("deploy")
    app.write_text(sound)
    assert up(new_cloud)["deploy"] == "deployed"


def test_another_port_needs_no_deployment(cloud: LocalCloud, repository: Path) -> None:
    """When the emulator moves to another port, what is deployed moves with it."""
    before = cloud.up()
    ports = {"database_port": free_port(), "cache_port": free_port(), "cloud_port": free_port()}
    moved = LocalCloud(repository, LocalSettings.model_validate(ports))
    after = moved.up()
    queue_prefix = after.environment()["STEERSMAN_QUEUE_PREFIX"]
    assert str(ports["cloud_port"]) in queue_prefix
    assert after.outputs == before.outputs
    assert str(ports["cloud_port"]) in after.api_url
    assert documents(after).creation_date is not None


def test_two_ups_at_once_do_not_race(cloud: LocalCloud) -> None:
    """Of two commands at once one waits for the other, and both succeed with the same servers."""
    details = [Details(), Details()]
    threads = [threading.Thread(target=cloud.up, args=(detail,)) for detail in details]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    waited = [detail for detail in details if "wait" in detail.done]
    assert len(waited) == 1
    assert waited[0].done["deploy"] == "unchanged"


def test_extra_steps_run_where_they_fit(cloud: LocalCloud) -> None:
    """The caller's steps run after what they need, with the addresses at hand."""
    seen: list[str] = []
    extra = [
        Step(
            "migrate",
            lambda: seen.append(cloud.endpoints().database_url) or "3 migrations",
            needs=("database",),
        ),
        Step("seed", lambda: seen.append(cloud.endpoints().api_url) or "seeded", needs=("migrate", "deploy")),
    ]
    endpoints = cloud.up(extra=extra)
    assert seen == [endpoints.database_url, endpoints.api_url]


def test_no_log_holds_the_password(cloud: LocalCloud) -> None:
    """The database's password is in its own file only: in no log and no state file of ours."""
    password = cloud.up().database_url.split(":")[2].split("@")[0]
    cloud.down()
    logs = [*cloud.folder.rglob("*.log"), cloud.folder / "processes.json", cloud.folder / "outputs.json"]
    assert [log for log in logs if password in log.read_text()] == []


def test_external_servers_are_used_and_left_alone(cloud: LocalCloud, repository: Path) -> None:
    """With servers of the user's own nothing is started in their place, and `down` does not touch them."""
    endpoints = cloud.up()
    given = {"database_url": endpoints.database_url, "redis_url": endpoints.redis_url}
    ports = {"cloud_port": cloud.endpoints().cloud_port}
    other = LocalCloud(repository, LocalSettings.model_validate({"local_dir": ".other", **given, **ports}))
    cloud_only = {part.part: part.state for part in other.status()}
    assert (cloud_only["database"], cloud_only["cache"]) == ("external", "external")
    assert other.endpoints().database_url == endpoints.database_url
    other.down()
    assert {part.state for part in cloud.status()} == {"running"}


def test_an_external_server_that_is_not_there_is_explained(repository: Path) -> None:
    """A server that cannot be reached is named by its variable, without its password."""
    url = "postgresql://user:hidden@127.0.0.1:9/x"
    settings = LocalSettings.model_validate({"database_url": url, "redis_url": "redis://127.0.0.1:9/0"})
    cloud = LocalCloud(repository, settings)
    with pytest.raises(LocalCloudError) as caught:
        cloud._database()
    assert "STEERSMAN_DATABASE_URL" in str(caught.value)
    assert "hidden" not in str(caught.value) + caught.value.advice
    with pytest.raises(LocalCloudError, match="STEERSMAN_REDIS_URL"):
        cloud._cache()


def test_clean_removes_only_what_is_ours(cloud: LocalCloud) -> None:
    """`clean` stops everything and removes the state, but no file that `up` did not make."""
    cloud.up()
    (cloud.folder / "notes.txt").write_text("mine")
    cloud.clean()
    assert [path.name for path in cloud.folder.iterdir()] == ["notes.txt"]
    cloud.clean()
    assert {part.state for part in cloud.status()} == {"stopped"}


def test_down_before_up_does_nothing(repository: Path) -> None:
    """Commands on a local cloud that was never up are harmless and say so."""
    cloud = LocalCloud(repository, LocalSettings())
    cloud.down()
    assert not cloud.folder.exists()
    with pytest.raises(LocalCloudError, match="never started"):
        cloud.endpoints()


def test_the_outputs_are_kept_as_the_cli_wrote_them(cloud: LocalCloud) -> None:
    """Every output of every stack can be read by a person from one file."""
    cloud.up()
    stored = json.loads((cloud.folder / "outputs.json").read_text())
    assert set(stored["Steersman-Local-Services"]) == {"ApiId", "DocumentsBucketName"}

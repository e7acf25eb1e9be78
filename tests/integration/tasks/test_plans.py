"""Published templates, kept ready to run, and published at the same time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from steersman.db.connection import Database
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.tasks import plans, templates
from steersman.tasks.plans import Plans
from steersman.tasks.template import Template, parse_template
from tests.fixtures.engine import Rig, stage


def template(timeout_s: float = 30, name: str = "sample") -> Template:
    return parse_template({"name": name, "stages": [stage("a", timeout_s=timeout_s)]})


def test_plans_are_read_once(rig: Rig) -> None:
    """Known plans cost no round trip: they come back without the database."""
    ids = [rig.publish([stage("a")], name=name).template_id for name in ("one", "two")]
    kept = Plans(rig.database)
    first = dict(kept.of(ids))
    rig.database.run("DROP TABLE task_dag_templates CASCADE")
    assert dict(kept.of(ids)) == first
    assert kept.of(ids)[ids[0]] is first[ids[0]]


def test_what_is_asked_for_is_there_though_the_store_is_full(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full store forgets, but never what the same call asks for."""
    monkeypatch.setattr(plans, "MAX_KEPT", 2)
    ids = [rig.publish([stage("a")], name=f"t{number}").template_id for number in range(5)]
    kept = Plans(rig.database)
    for wanted in (ids[:2], ids[1:4], ids):
        assert set(kept.of(wanted)) == set(wanted)


def test_versions_are_added_never_changed(database: Database) -> None:
    """Another text is the next version, the same text adds nothing, and the first version stays as it was."""
    first = templates.publish(database, DEFAULT_PROJECT_ID, template(10), by="me")
    same = templates.publish(database, DEFAULT_PROJECT_ID, template(10), by="you")
    second = templates.publish(database, DEFAULT_PROJECT_ID, template(20), by="you")
    again = templates.publish(database, DEFAULT_PROJECT_ID, template(10), by="you")
    found = [(one["version"], one["published"]) for one in (first, same, second, again)]
    assert found == [(1, True), (1, False), (2, True), (3, True)]
    assert templates.get(database, DEFAULT_PROJECT_ID, "sample", 1)["template"] == template(10)


def test_publications_at_the_same_time_each_get_a_version(database_url: str) -> None:
    """Authors who publish one name at once each get a version of their own; none is refused."""

    def publish(number: int) -> int:
        own = Database(database_url)
        try:
            return int(templates.publish(own, DEFAULT_PROJECT_ID, template(number + 1), by="me")["version"])
        finally:
            own.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(publish, range(4))) == [1, 2, 3, 4]

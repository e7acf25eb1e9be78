"""One local cloud for all end-to-end tests: up at the start, down at the end whatever happened, nothing left."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.agent import TEMPLATE, HeldAgent
from tests.e2e.local_cloud import Steersman, until

PHAROS = """# Lighthouse of Pharos

The lighthouse of Pharos stood in Alexandria. It was about 100 metres tall and its light was a fire.
It was built under Ptolemy II around 280 BC.

# Colossus of Rhodes

The Colossus of Rhodes was a statue of the sun god Helios. It stood 33 metres high and was erected in 280 BC.
An earthquake felled it in 226 BC.
"""


@pytest.fixture(scope="session")
def steersman() -> Iterator[Steersman]:
    """A local cloud of this run's own, with one document."""
    # Not pytest's own temporary folder, which is closed to the account that the database server runs as.
    folder = Path(tempfile.mkdtemp(prefix="steersman-e2e-")).resolve()
    folder.chmod(0o755)
    made = Steersman(folder / "local")
    try:
        made.up()
        made.http.post(
            "/v1/documents",
            json={"source_uri": "test:wonders.md", "media_type": "text/markdown", "content": PHAROS},
        ).raise_for_status()
        yield made
    finally:
        made.http.close()
        made.run("down")
        until(lambda: not made.processes(), "no process is left behind", limit_s=10)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def agent(steersman: Steersman) -> Iterator[HeldAgent]:
    """An agent that can be held up, and the template `held_work` whose stages it does."""
    with HeldAgent().serving() as held:
        held.register(steersman.local.endpoints().database_url)
        steersman.http.post("/v1/templates", json={"template": TEMPLATE}).raise_for_status()
        yield held


@pytest.fixture(scope="session")
def accidents() -> dict[str, str]:
    """Tasks that were open when something was killed, by what that was; `test_recovery` sees to their end."""
    return {}

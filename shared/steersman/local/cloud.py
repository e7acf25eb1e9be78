"""The local cloud: PostgreSQL, Redis, the AWS API and the deployed app, up and down at will."""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steersman.local import parts, postgres, redis
from steersman.local.deployment import Deployment, bootstrap, deploy, function_logs, read_outputs
from steersman.local.endpoints import ENVIRONMENT, Endpoints
from steersman.local.errors import LocalCloudError
from steersman.local.external import check_database, check_redis
from steersman.local.ports import HOST
from steersman.local.postgres_files import read_password
from steersman.local.processes import last_lines, memory_mb
from steersman.local.records import exclusive
from steersman.local.settings import LocalSettings
from steersman.local.steps import Progress, Silent, Step, run_steps
from steersman.local.supervisor import Part, Supervisor
from steersman.local.synthesis import synthesise
from steersman.local.tools import Programs, install_cdk

State = Literal["running", "stopped", "crashed", "external"]

_LOCK_PATIENCE_S = 600.0
_LOGS = {"database": "database/postgres.log", "cache": "cache/redis.log", "cloud": "cloud/cloud.log"}
_STATE = frozenset(
    {*_LOGS, "logs", "outputs.json", "processes.json", "processes.new", "node.lock", "cdk.lock"}
)


@dataclass(frozen=True)
class PartStatus:
    """How one part does; `memory_mb` counts its children, for the cloud the functions' workers.

    "crashed" is a part that `up` started and nobody stopped, but that is gone; the next `up` repairs it.
    """

    part: str
    state: State
    pid: int | None
    address: str
    memory_mb: float
    log: Path | None


class LocalCloud:
    """The local cloud of the repository at `root`, with its state in the folder that the settings name."""

    def __init__(self, root: Path, settings: LocalSettings) -> None:
        self.root = root.resolve()
        self.folder = (self.root / settings.local_dir).resolve()
        self._settings = settings
        self._supervisor = Supervisor(self.folder / "processes.json")
        self._parts: Mapping[str, Part] = {
            "database": parts.database(self.folder / "database", settings.database_port),
            "cache": parts.cache(self.folder / "cache", settings.cache_port),
            "cloud": parts.cloud(self.folder / "cloud", settings.cloud_port, settings.model_variables()),
        }

    def up(self, progress: Progress | None = None, extra: Sequence[Step] = ()) -> Endpoints:
        """Start what is not running, deploy what changed, do the caller's `extra` steps; return addresses.

        Twice is harmless; after a failure, `up` again continues. Extra steps may need our steps (database,
        cache, cloud, tools, synthesis, bootstrap, deploy) and ask `endpoints()` when they run. The first
        step's error is raised: a LocalCloudError where it is one of ours.
        """
        with self._alone(progress) as held:
            run_steps([*self._steps(Programs(held)), *extra], progress or Silent())
        return self.endpoints()

    def down(self, progress: Progress | None = None) -> None:
        """Stop what `up` started, and nothing else; documents and tasks stay on disk."""
        if self.folder.exists():
            with self._alone(progress):
                self._stop_all(progress)

    def clean(self, progress: Progress | None = None) -> None:
        """Stop everything and remove all state: documents, tasks, logs. Only what `up` made is removed."""
        if not self.folder.exists():
            return
        with self._alone(progress):
            self._stop_all(progress)
            for path in self.folder.iterdir():
                if path.name in _STATE or path.name.startswith("cdk.out."):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            (self.folder / "lock").unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def status(self) -> list[PartStatus]:
        """Return how each part does."""
        return [self._status(part) for part in self._parts.values()]

    def endpoints(self) -> Endpoints:
        """Return where the parts are, running or not; LocalCloudError if `up` never ran."""
        given = self._settings
        return Endpoints(
            database_url=given.external_database or self._database_url(),
            redis_url=given.external_redis or redis.redis_url(given.cache_port),
            cloud_port=given.cloud_port,
            outputs=read_outputs(self.folder / "outputs.json"),
        )

    def log(self, part: str) -> Path:
        """Return the log of a part, or of a step that runs a program: npm, synthesis, bootstrap, deploy."""
        return self.folder / _LOGS.get(part, f"logs/{part}.log")

    def logs(self, part: str, lines: int = 100) -> str:
        """Return the last lines of a log, empty if there is none. The cloud's has the functions' output."""
        return last_lines(self.log(part), lines)

    def function_logs(self, *, after_ms: int = 0) -> list[tuple[int, str, str]]:
        """Return what functions wrote after a moment: (epoch milliseconds, log group, line), oldest first."""
        return function_logs(self._settings.cloud_port, after_ms=after_ms)

    def _steps(self, programs: Programs) -> list[Step]:
        logs = self.folder / "logs"
        deployment = Deployment(
            root=self.root,
            assembly=self.folder / f"cdk.out.{ENVIRONMENT}",
            outputs_file=self.folder / "outputs.json",
            logs=logs,
            cloud_port=self._settings.cloud_port,
            programs=programs,
        )

        def synthesis() -> str:
            return synthesise(
                self.root, deployment.assembly, ENVIRONMENT, programs, log=logs / "synthesis.log"
            )

        return [
            Step("database", self._database),
            Step("cache", self._cache),
            Step("cloud", lambda: self._ensure("cloud")),
            Step("tools", lambda: install_cdk(self.root, programs, log=logs / "npm.log")),
            Step("synthesis", synthesis),
            Step("bootstrap", lambda: bootstrap(deployment), needs=("cloud", "tools")),
            Step(
                "deploy",
                lambda: self._deploy(deployment),
                needs=("database", "cache", "bootstrap", "synthesis"),
            ),
        ]

    def _deploy(self, deployment: Deployment) -> str:
        endpoints = self.endpoints()
        values = {
            "DatabaseUrl": endpoints.database_url,
            "RedisUrl": endpoints.redis_url,
            **{_parameter(name): value for name, value in self._settings.model_variables().items()},
        }
        if not deploy(deployment, values):
            return "unchanged"
        # The emulator writes its state only when it stops, and a deployment must survive a power cut.
        self._supervisor.restart(self._parts["cloud"])
        return "deployed"

    def _database(self) -> str:
        if url := self._settings.external_database:
            check_database(url)
            return "external"
        return self._ensure("database")

    def _cache(self) -> str:
        if url := self._settings.external_redis:
            check_redis(url)
            return "external"
        return self._ensure("cache")

    def _ensure(self, name: str) -> str:
        part = self._parts[name]
        return f"{self._supervisor.ensure(part)}, {HOST}:{part.port}"

    def _stop_all(self, progress: Progress | None) -> None:
        def stopping(name: str) -> Callable[[], str]:
            return lambda: self._supervisor.stop(self._parts[name])

        # The cloud first: its functions use the other two.
        steps = [Step("cloud", stopping("cloud"))]
        steps += [Step(name, stopping(name), needs=("cloud",)) for name in ("cache", "database")]
        run_steps(steps, progress or Silent())

    def _status(self, part: Part) -> PartStatus:
        if self._settings.stands_in_for(part.name):
            return PartStatus(part.name, "external", None, "set by the environment", 0.0, None)
        process = self._supervisor.process(part.name)
        crashed = self._supervisor.record(part.name) is not None
        return PartStatus(
            part=part.name,
            state="running" if process else "crashed" if crashed else "stopped",
            pid=process.pid if process else None,
            address=f"{HOST}:{part.port}",
            memory_mb=memory_mb(process) if process else 0.0,
            log=self.log(part.name),
        )

    def _database_url(self) -> str:
        password = read_password(self.folder / "database")
        if password is None:
            raise LocalCloudError("the local cloud was never started", advice="Run `make up`.")
        return postgres.database_url(self._settings.database_port, password)

    @contextlib.contextmanager
    def _alone(self, progress: Progress | None) -> Iterator[int]:
        """Hold the lock and yield its descriptor; waiting for another command is a step of its own."""
        begin = time.monotonic()
        waited = False

        def waiting() -> None:
            nonlocal waited
            waited = True
            if progress:
                progress.started("wait")

        try:
            with exclusive(self.folder / "lock", patience_s=_LOCK_PATIENCE_S, waiting=waiting) as held:
                if waited and progress:
                    progress.finished("wait", time.monotonic() - begin, "another command has ended")
                yield held
        except PermissionError as exc:
            raise LocalCloudError(
                f"{exc.filename} belongs to another account",
                advice=f"Work as the account that ran `up` before, or let it remove {self.folder}.",
            ) from exc


def _parameter(variable: str) -> str:
    """Return the CloudFormation parameter that carries a variable: LlmModel for STEERSMAN_LLM_MODEL."""
    return "".join(word.capitalize() for word in variable.removeprefix("STEERSMAN_").split("_"))

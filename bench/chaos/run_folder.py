"""Where a run keeps its files, and what its processes are told: one JSON file and their environment."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steersman.json import dumps, loads

PREFIX = "steersman-chaos-"
QUEUE_URL = f"https://sqs.us-east-1.amazonaws.com/000000000000/{PREFIX}"
# The product's times, all shortened alike: a run cannot wait minutes for each of hundreds of killed workers.
STRANDED_AFTER_S = 8.0
VISIBILITY_S = 5.0
LEASE_S = 5.0
WATCHED_S = 4.0  # followers with several tasks in turn come back sometimes sooner, sometimes later
SWEEP_EVERY_S = 2.0
AHEAD_S = (
    3.0  # of the time of what waits the sweep sends it; a message of it that was lost is missed so much later
)
KNOWN_S = 1.0  # how long workers go by what they know of limits and budgets
PUT_BACK_S = 6.0  # after which what waits for a place counts as just sent
RESERVED_S = 3  # for which a free place is kept for what waits for it
MINUTE_S = 3.0  # a minute of the rates of schedules
MISSED_S = 2.5 * MINUTE_S  # from then on times have passed unseen
SWEEP_LIMIT = 100  # a sweep comes thirty times as often, so it sends fewer


@dataclass(frozen=True, kw_only=True)
class Run:
    """What every process of a run knows. `began` is monotonic, one clock for all processes of a machine;
    `began_at` is the same moment as seconds since 1970, as the database's clock has it."""

    folder: Path
    seed: int
    tasks: int
    storm_s: float
    began: float
    began_at: float
    database_url: str
    redis_url: str
    sqs_url: str

    def save(self) -> Path:
        """Write the run's facts where its processes find them."""
        path = self.folder / "run.json"
        path.write_bytes(dumps({**vars(self), "folder": str(self.folder)}))
        path.chmod(0o600)
        return path

    @classmethod
    def load(cls, path: Path) -> "Run":
        values: dict[str, Any] = loads(path.read_bytes())
        return cls(**{**values, "folder": Path(values["folder"])})

    def journal(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"

    def journals(self, kind: str) -> list[Path]:
        """Return the journals of all processes of a kind."""
        return sorted(self.folder.glob(f"{kind}-*.jsonl"))

    def environment(self, failpoint: str = "") -> dict[str, str]:
        """Return the environment of a process: the product's settings, and nothing of the user's account."""
        kept = {
            name: os.environ[name]
            for name in ("PATH", "PYTHONPATH", "HOME", "TMPDIR", "LANG")
            if name in os.environ
        }
        return {
            **kept,
            "AWS_ACCESS_KEY_ID": "chaos",
            "AWS_SECRET_ACCESS_KEY": "chaos",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "STEERSMAN_ENVIRONMENT": "local",
            "STEERSMAN_DATABASE_URL": self.database_url,
            "STEERSMAN_REDIS_URL": self.redis_url,
            "STEERSMAN_QUEUE_PREFIX": QUEUE_URL,
            "STEERSMAN_LOG_LEVEL": "WARNING",
            "STEERSMAN_RATE_LIMIT_PER_MINUTE": "1000000",
            "STEERSMAN_STRANDED_AFTER_S": str(STRANDED_AFTER_S),
            "STEERSMAN_FAILPOINT": failpoint,
            "POWERTOOLS_METRICS_NAMESPACE": "Steersman",
        }

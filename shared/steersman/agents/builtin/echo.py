"""The agent of `echo`: gives back the task's input. For trying a template's way before its agents are there."""

from collections.abc import Sequence

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError


class EchoAgent:
    def run(self, jobs: Sequence[StageJob]) -> list[StageResult | AgentError]:
        """Return the input of each job's task as its output."""
        return [StageResult(output=job.input) for job in jobs]

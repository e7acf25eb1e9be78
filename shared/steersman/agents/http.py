"""Agents behind HTTP: POST a job as JSON, get its result as JSON (the contract is in docs/agents.md)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError, AgentRefused, AgentThrottled, InvalidResult, StageTimeout
from steersman.json import dumps, loads
from steersman.retry_after import retry_after_s

MAX_PARALLEL = 16
MAX_ANSWER_BYTES = 6 * 1024 * 1024  # an output may have 5 MB


class HttpAgent:
    """An agent at `endpoint`. A batch is sent as one request for each job, in parallel.

    2xx is the result; 429 can be tried again when `Retry-After` says (AgentThrottled), 408, 425 and 5xx can too; any
    other answer is final (AgentRefused).
    """

    def __init__(self, name: str, endpoint: str, *, transport: httpx.BaseTransport | None = None) -> None:
        if not endpoint.startswith(("http://", "https://")):
            raise ValueError(f"'{endpoint}' is not an http(s) URL")
        self._name = name
        self._endpoint = endpoint
        self._client = httpx.Client(transport=transport, follow_redirects=False)

    def run(self, jobs: Sequence[StageJob]) -> list[StageResult | AgentError]:
        if len(jobs) == 1:
            return [self._call(jobs[0])]
        with ThreadPoolExecutor(max_workers=min(MAX_PARALLEL, len(jobs))) as pool:
            return list(pool.map(self._call, jobs))

    def _call(self, job: StageJob) -> StageResult | AgentError:
        headers = {
            "content-type": "application/json",
            "idempotency-key": f"{job.task_id}-{job.stage}-{job.attempt}",
            "x-correlation-id": job.correlation_id,
        }
        try:
            response = self._client.post(
                self._endpoint, content=dumps(_document(job)), headers=headers, timeout=job.timeout_s
            )
        except httpx.TimeoutException:
            return StageTimeout(f"agent '{self._name}' did not answer within {job.timeout_s:g} s")
        except httpx.HTTPError as exc:
            return AgentError(f"agent '{self._name}' cannot be reached: {type(exc).__name__}")
        return self._read(response)

    def _read(self, response: httpx.Response) -> StageResult | AgentError:
        status = response.status_code
        if status == 429:
            return AgentThrottled(
                f"agent '{self._name}' answered 429",
                retry_after_s=retry_after_s(response.headers.get("retry-after")),
            )
        if status in {408, 425} or status >= 500:
            return AgentError(f"agent '{self._name}' answered {status}")
        if not response.is_success:
            return AgentRefused(f"agent '{self._name}' refused the job with {status}")
        try:
            if len(response.content) > MAX_ANSWER_BYTES:
                raise ValueError("too large")
            return _result(loads(response.content))
        except (ValueError, TypeError, InvalidOperation) as exc:
            return InvalidResult(f"agent '{self._name}' answered something that is not a result: {exc}")


def _document(job: StageJob) -> dict[str, Any]:
    return {
        "task_id": str(job.task_id),
        "project_id": str(job.project_id),
        "stage": job.stage,
        "capability": job.capability,
        "attempt": job.attempt,
        "timeout_s": job.timeout_s,
        "correlation_id": job.correlation_id,
        "input": job.input,
        "results": job.results,
    }


def _result(document: Any) -> StageResult:
    if not isinstance(document, dict) or not isinstance(document.get("output"), dict):
        raise TypeError("'output' must be an object")
    quality = document.get("quality")
    if quality is not None and not 0 <= quality <= 1:
        raise ValueError("'quality' must lie between 0 and 1")
    tokens, cost = int(document.get("tokens", 0)), Decimal(str(document.get("cost_usd", 0)))
    if tokens < 0 or not cost.is_finite() or cost < 0:
        raise ValueError("'tokens' and 'cost_usd' must not be negative")
    model = document.get("model")
    return StageResult(
        output=document["output"],
        model=str(model) if model is not None else None,
        tokens=tokens,
        cost_usd=cost,
        quality=quality,
    )

"""The API's client of the command line: one method for each thing a person asks for."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from steersman import __version__
from steersman.json import dumps
from steersman.tasks.words import TaskStatus

POLL_S = 20.0
TIMEOUT_S = 60.0


class ApiProblem(Exception):
    """The API refused a request, or could not be reached; `status` is None then. `faults` are field and reason."""

    def __init__(self, message: str, *, status: int | None, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.problem = dict(problem or {})

    @property
    def faults(self) -> list[tuple[str, str]]:
        return [(error["field"], error["reason"]) for error in self.problem.get("errors", [])]


class Client:
    """Calls the API at `url` (up to /v1). Addresses of AWS are signed with the caller's own credentials."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            timeout=TIMEOUT_S,
            transport=transport,
            auth=_auth(self.url),
            headers={"user-agent": f"steersman-cli/{__version__}"},
        )

    def submit(self, submission: Mapping[str, Any]) -> dict[str, Any]:
        return self._post("/v1/tasks", submission)

    def submit_batch(self, submissions: list[Mapping[str, Any]]) -> dict[str, Any]:
        return self._post("/v1/tasks/batch", {"tasks": submissions})

    def task(self, task_id: str, include: str | None = None) -> dict[str, Any]:
        return self._get(f"/v1/tasks/{task_id}", include=include)

    def ended(self, task_id: str) -> dict[str, Any]:
        """Wait for a task's end, however long it takes, and return the task."""
        while True:
            task = self._get(f"/v1/tasks/{task_id}", wait_s=POLL_S)
            if TaskStatus(task["status"]).final:
                return task

    def tasks(self, **filters: Any) -> dict[str, Any]:
        return self._get("/v1/tasks", **filters)

    def cancel(self, task_id: str, reason: str | None) -> dict[str, Any]:
        return self._post(f"/v1/tasks/{task_id}/cancel", {"reason": reason} if reason else {})

    def pause_task(self, task_id: str, reason: str | None) -> dict[str, Any]:
        return self._post(f"/v1/tasks/{task_id}/pause", {"reason": reason} if reason else {})

    def resume_task(self, task_id: str) -> dict[str, Any]:
        return self._post(f"/v1/tasks/{task_id}/resume", {})

    def change_task(self, task_id: str, constraints: Mapping[str, Any]) -> dict[str, Any]:
        return self._send("PATCH", f"/v1/tasks/{task_id}", {"constraints": dict(constraints)})

    def started_tasks(self, task_id: str, stage: str, **query: Any) -> dict[str, Any]:
        return self._get(f"/v1/tasks/{task_id}/stages/{stage}/tasks", **query)

    def approvals(self, **query: Any) -> dict[str, Any]:
        return self._get("/v1/approvals", **query)

    def answer(self, task_id: str, stage: str, given: Mapping[str, Any]) -> dict[str, Any]:
        return self._post(f"/v1/tasks/{task_id}/stages/{stage}/answer", given)

    def pauses(self, project: str) -> dict[str, Any]:
        return self._get("/v1/pauses", project=project)

    def pause(self, order: Mapping[str, Any]) -> dict[str, Any]:
        return self._post("/v1/pauses", order)

    def end_pause(self, scope: str, name: str, project: str) -> None:
        self._answer("DELETE", f"/v1/pauses/{scope}/{name}", params={"project": project})

    def rerun(self, task_id: str, from_stages: list[str]) -> dict[str, Any]:
        return self._post(f"/v1/tasks/{task_id}/rerun", {"from": from_stages})

    def clone(self, task_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        return self._post(f"/v1/tasks/{task_id}/clone", changes)

    def dead_letters(self, **filters: Any) -> dict[str, Any]:
        return self._get("/v1/dead-letters", **filters)

    def dead_letter(self, letter_id: str) -> dict[str, Any]:
        return self._get(f"/v1/dead-letters/{letter_id}")

    def redrive(self, letter_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        return self._post(f"/v1/dead-letters/{letter_id}/redrive", changes)

    def redrive_many(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        return self._post("/v1/dead-letters/redrive", wanted)

    def discard(self, letter_id: str, reason: str) -> dict[str, Any]:
        return self._post(f"/v1/dead-letters/{letter_id}/discard", {"reason": reason})

    def audit(self, **filters: Any) -> dict[str, Any]:
        return self._get("/v1/audit", **filters)

    def events(self, task_id: str) -> Iterator[dict[str, Any]]:
        """Yield a task's events as they happen, each once, until its last one."""
        cursor, seen = "", set()
        while True:
            page = self._get(f"/v1/tasks/{task_id}/events", after=cursor or None, wait_s=POLL_S)
            cursor = page["cursor"]
            for event in page["events"]:
                if event["id"] not in seen:
                    seen.add(event["id"])
                    yield event
            if page["ended"]:
                return

    def templates(self, **query: Any) -> dict[str, Any]:
        return self._get("/v1/templates", **query)

    def template(self, name: str, version: int, project: str) -> dict[str, Any]:
        return self._get(f"/v1/templates/{name}/versions/{version}", project=project)

    def newest_template(self, name: str, project: str) -> dict[str, Any]:
        page = self.templates(project=project, limit=200)["templates"]
        version = next((template["version"] for template in page if template["name"] == name), 1)
        return self.template(name, version, project)

    def template_diff(self, name: str, project: str, **versions: int | None) -> dict[str, Any]:
        return self._get(f"/v1/templates/{name}/diff", project=project, **versions)

    def publish(self, template: Mapping[str, Any], project: str, *, validate_only: bool) -> dict[str, Any]:
        body = {"template": template, "project": project, "validate_only": validate_only}
        return self._post("/v1/templates", body)

    def schedules(self, **query: Any) -> dict[str, Any]:
        return self._get("/v1/schedules", **query)

    def schedule(self, schedule_id: str, project: str) -> dict[str, Any]:
        return self._get(f"/v1/schedules/{schedule_id}", project=project)

    def create_schedule(self, schedule: Mapping[str, Any]) -> dict[str, Any]:
        return self._post("/v1/schedules", schedule)

    def change_schedule(self, schedule_id: str, project: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        return self._send("PATCH", f"/v1/schedules/{schedule_id}", changes, project=project)

    def run_schedule(self, schedule_id: str, project: str) -> dict[str, Any]:
        return self._post(f"/v1/schedules/{schedule_id}/run", None, project=project)

    def delete_schedule(self, schedule_id: str, project: str) -> None:
        self._answer("DELETE", f"/v1/schedules/{schedule_id}", params={"project": project})

    def agents(self, **query: Any) -> dict[str, Any]:
        return self._get("/v1/agents", **query)

    def agent(self, agent_id: str, project: str) -> dict[str, Any]:
        return self._get(f"/v1/agents/{agent_id}", project=project)

    def limits(self, project: str) -> dict[str, Any]:
        return self._get(f"/v1/projects/{project}/limits")

    def set_limits(self, project: str, limits: Mapping[str, Any]) -> dict[str, Any]:
        return self._put(f"/v1/projects/{project}/limits", limits)

    def add_document(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return self._post("/v1/documents", document)

    def health(self) -> dict[str, Any]:
        return self._get("/v1/health")

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        params = {name: value for name, value in query.items() if value is not None}
        return self._answer("GET", path, params=params)

    def _post(self, path: str, body: Mapping[str, Any] | None, **query: str) -> dict[str, Any]:
        return self._send("POST", path, body, {"idempotency-key": uuid4().hex}, **query)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None = None,
        **query: str,
    ) -> dict[str, Any]:
        content = {} if body is None else {"content": dumps(body)}
        kind = {} if body is None else {"content-type": "application/json"}
        return self._answer(method, path, params=query, headers={**kind, **(headers or {})}, **content)

    def _put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._answer("PUT", path, content=dumps(body), headers={"content-type": "application/json"})

    def _answer(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **request)
        except httpx.HTTPError as exc:
            reason = f"the API at {self.url} cannot be reached ({type(exc).__name__}); is it up? try: make up"
            raise ApiProblem(reason, status=None) from exc
        if response.is_success:
            answer: dict[str, Any] = response.json() if response.content else {}
            return answer
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        detail = problem.get("detail") or problem.get("message") or f"the API answered {response.status_code}"
        raise ApiProblem(detail, status=response.status_code, problem=problem)


class _SignedByAws(httpx.Auth):
    """Signature version 4 for API Gateway, with the credentials that boto3 finds."""

    requires_request_body = True

    def __init__(self, region: str) -> None:
        self._region = region

    def auth_flow(self, request: httpx.Request) -> Any:
        import boto3
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        credentials = boto3.Session().get_credentials()
        if credentials is None:
            raise ApiProblem(
                "no AWS credentials were found; sign in first (aws configure, aws sso login)", status=None
            )
        signed = AWSRequest(
            request.method, str(request.url), data=request.content, headers={"host": request.url.host}
        )
        SigV4Auth(credentials, "execute-api", self._region).add_auth(signed)
        request.headers.update(dict(signed.headers))
        yield request


def _auth(url: str) -> httpx.Auth | None:
    host = urlsplit(url).hostname or ""
    parts = host.split(".")
    if (
        len(parts) >= 4
        and parts[1] == "execute-api"
        and host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    ):
        return _SignedByAws(parts[2])
    return None

"""A Bedrock client that answers in memory, in the forms of boto3."""

import io
import json
from typing import Any

from botocore.exceptions import ClientError

from steersman.llm.fakes import FakeEmbedder


class StubbedBedrock:
    """Answers `converse` and `invoke_model`; `error` makes it refuse with that code, `answer` says something else."""

    def __init__(self, *, error: str | None = None, answer: Any = None) -> None:
        self.error = error
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    def converse(self, **request: Any) -> Any:
        self._take(request)
        text = f"You said: {request['messages'][-1]['content'][0]['text']}"
        message = {"role": "assistant", "content": [{"text": text}]}
        usage = {"inputTokens": 1_000, "outputTokens": 200, "totalTokens": 1_200}
        return self.answer or {"output": {"message": message}, "usage": usage}

    def invoke_model(self, **request: Any) -> Any:
        self._take(request)
        asked = json.loads(request["body"])
        (vector,) = FakeEmbedder().embed([asked["inputText"]])
        body = {"embedding": vector, "inputTextTokenCount": 3}
        return self.answer or {"body": io.BytesIO(json.dumps(body).encode())}

    def _take(self, request: dict[str, Any]) -> None:
        self.asked.append(request)
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, "Converse")

"""What a running function is told by its environment: the only reader of `os.environ` in the run-time code.

A plain loader rather than pydantic-settings: importing that costs a function about 230 ms of CPU at every
cold start (docs/adr/0003), and every value here is a plain string, number or list.
"""

import os
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from steersman.errors import MissingSetting
from steersman.tasks.words import Lane

PREFIX = "STEERSMAN_"


class Settings(BaseModel):
    """Settings of the functions, read once per execution environment from `STEERSMAN_*`.

    `database_url` is a libpq URL; with `database_auth="iam"` the password is a token made at connection time.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    environment: str = "local"
    database_url: str = Field(repr=False)
    database_auth: Literal["password", "iam"] = "password"
    database_admin_secret: str = Field(
        default="", description="ARN of the owner's secret, for migrations only"
    )
    redis_url: str = Field(repr=False)
    queue_prefix: str = Field(description="URL of the stage queues up to '<queue>-<lane>'")
    lanes: tuple[Lane, ...] = (Lane.URGENT, Lane.STANDARD, Lane.BULK)
    documents_bucket: str = ""
    machine_prefix: str = Field(default="", description="what the names of state machines begin with")
    machine_role: str = Field(default="", description="ARN of the role that state machines have")
    log_level: str = "INFO"

    rate_limit_per_minute: int = Field(default=6000, gt=0)
    flood_tasks: int = Field(
        default=500,
        gt=0,
        description="of a project's tasks, how many keep their lane at once, and in any 10 s; more go to `bulk`",
    )
    stranded_after_s: float = Field(
        default=60.0,
        description="seconds after which the sweep sends a ready stage again: a message takes a few",
    )
    failpoint: str = Field(default="", description="'<name>:<count>', in the environment `local` only")
    history_retention_months: int = Field(default=24, gt=0)

    llm_provider: Literal["embedded", "openai", "bedrock"] = "embedded"
    llm_model: str = ""
    llm_base_url: str = ""
    llm_api_key: SecretStr = SecretStr("")
    llm_api_key_secret: str = Field(default="", description="ARN of the Secrets Manager secret with the key")
    llm_timeout_s: float = Field(default=20.0, gt=0)
    llm_input_usd_per_million_tokens: Decimal = Decimal(0)
    llm_output_usd_per_million_tokens: Decimal = Decimal(0)
    embedding_provider: Literal["embedded", "openai", "bedrock"] = "embedded"
    embedding_model: str = ""

    search_provider: Literal["local", "searxng"] = "local"
    search_url: str = ""
    search_timeout_s: float = Field(default=8.0, gt=0)

    @field_validator("lanes", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _failpoints_are_local(self) -> Self:
        if self.failpoint and self.environment != "local":
            raise ValueError("STEERSMAN_FAILPOINT is for the environment `local` only")
        return self


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings in `environment`; raise MissingSetting naming each variable that is absent or wrong."""
    values = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value != ""
    }
    try:
        return Settings.model_validate(values)
    except ValidationError as exc:
        wrong = "; ".join(f"{PREFIX}{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in exc.errors())
        # `from None`: the validation error carries the values, and some of them are secrets.
        raise MissingSetting(f"Set these environment variables: {wrong}") from None


@cache
def settings() -> Settings:
    """Return this process's settings, read at the first call."""
    return read_settings(os.environ)

"""What the local cloud is told by its environment: the only reader of `os.environ` for it."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from steersman.errors import MissingSetting

PREFIX = "STEERSMAN_"
_FOR_FUNCTIONS = ("STEERSMAN_LLM_", "STEERSMAN_EMBEDDING_", "STEERSMAN_SEARCH_")


class LocalSettings(BaseModel):
    """Where the local cloud keeps its state, which ports it takes, and which servers stand in for its own.

    `local_dir` may be relative to the repository. With `database_url` or `redis_url` that server is used as
    it is: never started, never stopped, never emptied. `model_settings` are the variables for the functions'
    models and web search, by name.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    local_dir: Path = Path(".local")
    database_port: int = Field(default=25432, ge=1, le=65535)
    cache_port: int = Field(default=26379, ge=1, le=65535)
    cloud_port: int = Field(default=24566, ge=1, le=65535)
    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    model_settings: Mapping[str, SecretStr] = Field(default_factory=dict)

    @property
    def external_database(self) -> str | None:
        """The URL of the PostgreSQL server to use instead of the local one."""
        return self.database_url.get_secret_value() if self.database_url else None

    @property
    def external_redis(self) -> str | None:
        """The URL of the Redis server to use instead of the local one."""
        return self.redis_url.get_secret_value() if self.redis_url else None

    def stands_in_for(self, part: str) -> bool:
        """Say whether a server of the user's replaces this part."""
        return (part == "database" and self.database_url is not None) or (
            part == "cache" and self.redis_url is not None
        )

    def model_variables(self) -> dict[str, str]:
        """Return the variables for the functions' models and web search, by name."""
        return {name: value.get_secret_value() for name, value in self.model_settings.items()}


def port_variable(part: str) -> str:
    """Return the environment variable that moves a part ("database", "cache" or "cloud") to another port."""
    return f"{PREFIX}{part.upper()}_PORT"


def read_local_settings(environment: Mapping[str, str]) -> LocalSettings:
    """Return the settings in `environment`; raise MissingSetting naming each variable that is wrong."""
    values = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value != ""
    }
    models = {name: value for name, value in environment.items() if name.startswith(_FOR_FUNCTIONS) and value}
    try:
        return LocalSettings.model_validate({**values, "model_settings": models})
    except ValidationError as exc:
        wrong = "; ".join(f"{PREFIX}{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in exc.errors())
        # `from None`: the validation error carries the values, and the URLs hold passwords.
        raise MissingSetting(f"Correct these environment variables: {wrong}") from None

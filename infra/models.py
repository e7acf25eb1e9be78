"""Settings of models and search that pass through to the functions from the CDK's context."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from constructs import Node

from steersman.llm.bedrock import EMBEDDING_MODEL

# Names of `steersman.settings.Settings`, given like `-c llm_provider=bedrock`.
PASSED_THROUGH = (
    "llm_provider",
    "llm_model",
    "llm_base_url",
    "llm_api_key_secret",
    "llm_timeout_s",
    "llm_input_usd_per_million_tokens",
    "llm_output_usd_per_million_tokens",
    "embedding_provider",
    "embedding_model",
    "search_provider",
    "search_url",
    "search_timeout_s",
)
# Where functions run on one's own machine the key itself may be given; in AWS it is read from a secret.
KEY_SETTING = "llm_api_key"
BEDROCK = "bedrock"
# Models behind a cross-region inference profile are named with the area it spans.
PROFILE_AREAS = frozenset({"us", "eu", "apac", "global", "us-gov", "jp", "au"})


@dataclass(frozen=True)
class BedrockModel:
    """A model of Bedrock by the id that functions call: the model's own, or its cross-region profile's."""

    id: str

    @property
    def is_profile(self) -> bool:
        """Whether Bedrock itself chooses the region, among those of the area that the id begins with."""
        return self.id.partition(".")[0] in PROFILE_AREAS

    @property
    def name(self) -> str:
        """The model's own id."""
        return self.id.partition(".")[2] if self.is_profile else self.id


@dataclass(frozen=True)
class Models:
    """The settings that were given, by their names in `steersman.settings`."""

    settings: Mapping[str, str]

    @property
    def bedrock(self) -> tuple[BedrockModel, ...]:
        """The models of Bedrock that functions call."""
        roles = ("llm", "embedding")
        return tuple(
            BedrockModel(self.settings.get(f"{role}_model", EMBEDDING_MODEL))
            for role in roles
            if self.settings.get(f"{role}_provider") == BEDROCK
        )

    @property
    def api_key_secret(self) -> str | None:
        """The ARN of the secret with the key of the model's provider."""
        return self.settings.get("llm_api_key_secret")


def read_models(node: Node) -> Models:
    """Return the settings in a node's context. Raises ValueError for Bedrock without a chat model."""
    given = {
        name: str(value) for name in PASSED_THROUGH if (value := node.try_get_context(name)) not in (None, "")
    }
    if given.get("llm_provider") == BEDROCK and "llm_model" not in given:
        raise ValueError("llm_provider is bedrock: name the model with -c llm_model=…")
    return Models(MappingProxyType(given))


def variable(setting: str) -> str:
    """Return the environment variable of a setting: STEERSMAN_LLM_MODEL for llm_model."""
    return f"STEERSMAN_{setting.upper()}"


def parameter(setting: str) -> str:
    """Return the name of the CloudFormation parameter of a setting: LlmModel for llm_model."""
    return "".join(part.capitalize() for part in setting.split("_"))

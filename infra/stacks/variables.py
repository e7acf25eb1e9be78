"""What functions are told by their environment: the names are those of `steersman.settings`."""

from collections.abc import Mapping

from aws_cdk import CfnParameter, Stack

from infra.environments import Environment
from infra.models import KEY_SETTING, PASSED_THROUGH, Models, parameter, variable
from infra.stacks.stateful import BuiltStores, DataStack


def variables(
    stack: Stack, *, environment: Environment, models: Models, data: DataStack, queue_prefix: str
) -> dict[str, str]:
    """Return the variables of every function; adds parameters to `stack` for stores given by address."""
    own = {
        "STEERSMAN_ENVIRONMENT": environment.name,
        "STEERSMAN_QUEUE_PREFIX": queue_prefix,
        "STEERSMAN_LANES": ",".join(environment.lanes),
        "STEERSMAN_DOCUMENTS_BUCKET": data.documents.bucket.bucket_name,
        "STEERSMAN_LOG_LEVEL": environment.log_level,
        "STEERSMAN_RATE_LIMIT_PER_MINUTE": str(environment.rate_limit_per_minute),
        "STEERSMAN_FLOOD_TASKS": str(environment.flood_tasks),
        "POWERTOOLS_METRICS_NAMESPACE": "Steersman",
    }
    if data.stores:
        return {
            **own,
            **_of_stores(data.stores),
            **{variable(name): value for name, value in models.settings.items()},
        }
    return {**own, **_of_parameters(stack, models.settings)}


def _of_stores(stores: BuiltStores) -> dict[str, str]:
    found = {
        "STEERSMAN_DATABASE_URL": stores.database.url,
        "STEERSMAN_DATABASE_AUTH": "iam",
        "STEERSMAN_REDIS_URL": stores.cache.url,
    }
    if stores.network.dual_stack:
        found["AWS_USE_DUALSTACK_ENDPOINT"] = "true"
    return found


def _of_parameters(stack: Stack, given: Mapping[str, str]) -> dict[str, str]:
    """Take addresses and model settings as parameters, so that changing one needs no synthesis."""
    url = CfnParameter(
        stack, "DatabaseUrl", no_echo=True, description="libpq URL of PostgreSQL 16 with pgvector"
    )
    redis = CfnParameter(stack, "RedisUrl", description="URL of Redis")
    found = {"STEERSMAN_DATABASE_URL": url.value_as_string, "STEERSMAN_REDIS_URL": redis.value_as_string}
    for name in (*PASSED_THROUGH, KEY_SETTING):
        value = CfnParameter(
            stack,
            parameter(name),
            default=given.get(name, ""),
            no_echo=name.startswith(KEY_SETTING),
            description=f"{variable(name)}; empty for its default",
        )
        found[variable(name)] = value.value_as_string
    return found

"""During a deploy: bring the schema up to date and seed what every installation begins with."""

from typing import Any

from steersman.aws.custom_resource import answered
from steersman.bootstrap import parts
from steersman.db.deployment import prepare


@answered
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Migrate and seed; harmless to repeat. Answers CloudFormation when it asks, and direct calls as well."""
    with parts().logger.request("migrate"):
        done = prepare(parts().settings, parts().secret, making=parts().making, progress=parts().logger.fact)
    parts().logger.fact("database prepared", **done)
    return done

"""Where the parts of the local cloud are reached: by the command line, tests, and code outside Lambda."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from steersman.local.deployment import documents_bucket
from steersman.local.emulator import ACCOUNT, aws_environment, cloud_url
from steersman.local.errors import LocalCloudError

ENVIRONMENT = "local"
NAME_PREFIX = f"steersman-{ENVIRONMENT}-"


@dataclass(frozen=True)
class Endpoints:
    """The addresses of the parts. `outputs` are those of the stacks, empty before the first deployment."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    cloud_port: int
    outputs: Mapping[str, str]

    @property
    def cloud_url(self) -> str:
        """The endpoint of the AWS API."""
        return cloud_url(self.cloud_port)

    @property
    def api_url(self) -> str:
        """The base URL of the HTTP API, without `/v1`; LocalCloudError if none is deployed."""
        if "ApiId" not in self.outputs:
            raise LocalCloudError("nothing is deployed in the local cloud yet", advice="Run `make up`.")
        # The API's own host name does not resolve everywhere; the path form always does.
        return f"{self.cloud_url}/_aws/execute-api/{self.outputs['ApiId']}"

    @property
    def documents_bucket(self) -> str:
        """The bucket that holds documents, empty before a deployment."""
        return documents_bucket(self.outputs)

    @property
    def machine_role(self) -> str:
        """The role of state machines, empty before a deployment."""
        return self.outputs.get("MachineRoleArn", "")

    @property
    def queue_prefix(self) -> str:
        """The address of the stage queues up to '<queue>-<lane>'."""
        return f"{self.cloud_url}/{ACCOUNT}/{NAME_PREFIX}"

    def environment(self) -> dict[str, str]:
        """Return the variables with which the functions' code finds these parts outside Lambda."""
        return {
            "STEERSMAN_ENVIRONMENT": ENVIRONMENT,
            "STEERSMAN_DATABASE_URL": self.database_url,
            "STEERSMAN_REDIS_URL": self.redis_url,
            "STEERSMAN_QUEUE_PREFIX": self.queue_prefix,
            "STEERSMAN_DOCUMENTS_BUCKET": self.documents_bucket,
            "STEERSMAN_MACHINE_PREFIX": NAME_PREFIX,
            "STEERSMAN_MACHINE_ROLE": self.machine_role,
            **aws_environment(self.cloud_port),
        }

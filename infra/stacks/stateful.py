"""The stateful stack: what must survive a deploy. Without stores of its own, the bucket and its key."""

from dataclasses import dataclass

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.constructs.cache import Cache
from infra.constructs.database import Database
from infra.constructs.documents import Documents
from infra.constructs.log_retention import retention
from infra.constructs.network import Network
from infra.environments import Environment, Stores
from infra.models import Models


@dataclass(frozen=True)
class BuiltStores:
    """The stores that this stack made."""

    network: Network
    database: Database
    cache: Cache


class DataStack(Stack):
    """Network, database, cache, bucket and key of one environment."""

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: Environment, models: Models
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=f"Steersman-{environment.title}-Data",
            description="Steersman: network, database, cache, documents",
            termination_protection=environment.retain_data,
        )
        self._environment = environment
        self.key = kms.Key(
            self,
            "Key",
            description=f"Steersman {environment.name}: documents, database, cache",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN if environment.retain_data else RemovalPolicy.DESTROY,
        )
        self.documents = Documents(
            self,
            "Documents",
            key=self.key,
            log_days=environment.log_retention_days,
            retain=environment.retain_data,
        )
        # By its name, so that an exception from a check can name it.
        self.documents_arn_export = f"{self.stack_name}-DocumentsArn"
        self.documents_arn = self.export_value(
            self.documents.bucket.bucket_arn, name=self.documents_arn_export
        )
        self.stores = self._build(environment.stores, models) if environment.stores else None

    def _build(self, stores: Stores, models: Models) -> BuiltStores:
        environment = self._environment
        log_retention = retention(environment.log_retention_days)
        network = Network(
            self,
            "Network",
            egress=stores.egress,
            zones=stores.availability_zones,
            log_retention=log_retention,
            bedrock=bool(models.bedrock),
        )
        database = Database(
            self,
            "Database",
            network=network,
            key=self.key,
            stores=stores,
            identifier=f"steersman-{environment.name}",
            log_retention=log_retention,
            retain=environment.retain_data,
        )
        cache = Cache(
            self, "Cache", network=network, key=self.key, stores=stores, name=f"steersman-{environment.name}"
        )
        return BuiltStores(network, database, cache)

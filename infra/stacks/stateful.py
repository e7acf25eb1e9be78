"""The stateful stack: what must survive a deploy. Without stores of its own, the bucket and perhaps its key."""

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
    """Network, database, cache and bucket of one environment; `key` is None where it has none of its own."""

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
        self.key = self._own_key() if environment.own_key else None
        self.documents = Documents(
            self,
            "Documents",
            key=self.key,
            log_days=environment.log_retention_days,
            payload_days=environment.payload_retention_days,
            retain=environment.retain_data,
        )
        # By its name, so that an exception from a check can name it.
        self.documents_arn_export = f"{self.stack_name}-DocumentsArn"
        self.documents_arn = self.export_value(
            self.documents.bucket.bucket_arn, name=self.documents_arn_export
        )
        self.stores = self._build(environment.stores, models) if environment.stores else None

    def _own_key(self) -> kms.Key:
        return kms.Key(
            self,
            "Key",
            description=f"Steersman {self._environment.name}: documents, database, cache",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN if self._environment.retain_data else RemovalPolicy.DESTROY,
        )

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

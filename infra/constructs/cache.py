"""ElastiCache Serverless (Valkey): live state that may be lost, entered by functions only, by TLS."""

from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.constructs.network import Network
from infra.environments import Stores

PORT = 6379
READER_PORT = 6380


class Cache(Construct):
    """A serverless cache, bounded in memory and in requests so that a runaway caller has a price limit.

    Encrypted with `key`, or with one that AWS owns.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: Network,
        key: kms.IKey | None,
        stores: Stores,
        name: str,
    ) -> None:
        super().__init__(scope, construct_id)
        group = network.store_group("CacheGroup", port=PORT, description="ElastiCache Serverless")
        self._cache = elasticache.CfnServerlessCache(
            self,
            "Cache",
            serverless_cache_name=name,
            engine="valkey",
            major_engine_version="8",
            kms_key_id=key.key_arn if key else None,
            subnet_ids=network.vpc.select_subnets(subnet_group_name="Stores").subnet_ids,
            security_group_ids=[group.security_group_id],
            cache_usage_limits=elasticache.CfnServerlessCache.CacheUsageLimitsProperty(
                data_storage=elasticache.CfnServerlessCache.DataStorageProperty(
                    unit="GB", maximum=stores.cache_max_gb
                ),
                ecpu_per_second=elasticache.CfnServerlessCache.ECPUPerSecondProperty(
                    maximum=stores.cache_max_ecpu_per_s
                ),
            ),
        )

    @property
    def url(self) -> str:
        """The redis-py URL: TLS always, one logical database."""
        return f"rediss://{self._cache.attr_endpoint_address}:{PORT}/0"

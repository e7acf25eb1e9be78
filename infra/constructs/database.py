"""Aurora PostgreSQL Serverless v2: the truth. It speaks only TLS and knows the functions by IAM."""

from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from constructs import Construct

from infra.constructs.exceptions import accept
from infra.constructs.network import Network
from infra.environments import Stores

ENGINE = rds.AuroraPostgresEngineVersion.VER_16_13  # the local PostgreSQL is 16 too
NAME = "steersman"
OWNER = "steersman_admin"
APP_ROLE = "steersman_app"
PORT = 5432
# The roots of the certificates that the server shows; the dependencies layer carries them.
ROOTS = "/opt/certificates/rds.pem"


class Database(Construct):
    """A cluster with a writer, and readers where the environment asks for them.

    The owner's password is made, kept and rotated by RDS in Secrets Manager; functions connect as
    `steersman_app` with a token of their own role. Encrypted with `key`, or with AWS's key for RDS.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: Network,
        key: kms.IKey | None,
        stores: Stores,
        identifier: str,
        log_retention: logs.RetentionDays,
        retain: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        # RDS would make this group itself, with logs that never expire.
        log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/rds/cluster/{identifier}/postgresql",
            retention=log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.cluster = rds.DatabaseCluster(
            self,
            "Cluster",
            engine=rds.DatabaseClusterEngine.aurora_postgres(version=ENGINE),
            cluster_identifier=identifier,
            default_database_name=NAME,
            credentials=rds.Credentials.from_username(OWNER),
            manage_master_user_password=True,
            iam_authentication=True,
            storage_encrypted=True,
            storage_encryption_key=key,
            vpc=network.vpc,
            vpc_subnets=network.store_subnets,
            security_groups=[
                network.store_group("DatabaseGroup", port=PORT, description="Aurora PostgreSQL")
            ],
            port=PORT,
            writer=rds.ClusterInstance.serverless_v2(
                "Writer", ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1
            ),
            readers=[
                rds.ClusterInstance.serverless_v2(
                    f"Reader{number}",
                    scale_with_writer=True,
                    ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1,
                )
                for number in range(1, stores.aurora_readers + 1)
            ],
            serverless_v2_min_capacity=stores.aurora_min_acu,
            serverless_v2_max_capacity=stores.aurora_max_acu,
            serverless_v2_auto_pause_duration=(
                Duration.seconds(stores.aurora_pause_after_s) if stores.pauses else None
            ),
            backup=rds.BackupProps(retention=Duration.days(stores.backup_days)),
            copy_tags_to_snapshot=True,
            cloudwatch_logs_exports=["postgresql"],
            parameters={"rds.force_ssl": "1", **_pausing(stores)},
            deletion_protection=retain,
            removal_policy=RemovalPolicy.RETAIN if retain else RemovalPolicy.DESTROY,
        )
        self.cluster.node.add_dependency(log_group)
        self._explain(retain)

    @property
    def url(self) -> str:
        """The libpq URL of the application's role; the password is a token made at connection time."""
        host = self.cluster.cluster_endpoint.hostname
        return f"postgresql://{APP_ROLE}@{host}:{PORT}/{NAME}?sslmode=verify-full&sslrootcert={ROOTS}"

    @property
    def owner_secret_arn(self) -> str:
        """The ARN of the secret with the owner's `username` and `password`."""
        cluster = cast(rds.CfnDBCluster, self.cluster.node.default_child)
        return cluster.attr_master_user_secret_secret_arn

    def _explain(self, retain: bool) -> None:
        accept(
            self.cluster,
            "RDS11",
            because="Only the functions' security group reaches the port; another number protects nothing.",
        )
        if not retain:
            accept(self.cluster, "RDS10", because="This environment's data may be lost: retain_data is off.")


def _pausing(stores: Stores) -> dict[str, str]:
    """End idle sessions where the cluster sleeps: a warm function's open connection would keep it awake."""
    return {"idle_session_timeout": str(stores.aurora_pause_after_s * 1000)} if stores.pauses else {}

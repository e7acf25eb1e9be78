"""The bucket of documents and large payloads, and the bucket where accesses to it are logged."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.exceptions import accept
from steersman.tasks.references import PREFIX as PAYLOADS


class Documents(Construct):
    """A private, versioned bucket, encrypted with `key` or with S3's own; `bucket` is what functions use.

    Documents stay until they are deleted, large payloads for `payload_days`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey | None,
        log_days: int,
        payload_days: int,
        retain: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        removal = RemovalPolicy.RETAIN if retain else RemovalPolicy.DESTROY
        log = s3.Bucket(
            self,
            "AccessLog",
            encryption=s3.BucketEncryption.S3_MANAGED,  # S3 writes access logs to no other kind
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(log_days))],
            removal_policy=removal,
        )
        accept(
            log, "S1", because="This bucket holds the access log of the other; a log of the log has no end."
        )
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            enforce_ssl=True,
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            server_access_logs_bucket=log,
            server_access_logs_prefix="documents/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                    noncurrent_version_expiration=Duration.days(30),
                ),
                s3.LifecycleRule(
                    prefix=PAYLOADS,
                    expiration=Duration.days(payload_days),
                    noncurrent_version_expiration=Duration.days(1),
                ),
            ],
            removal_policy=removal,
        )

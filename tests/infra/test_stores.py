"""Stores: encrypted, private, protected where they matter, asleep where they do not."""

from collections.abc import Callable

from infra.environments import ENVIRONMENTS
from tests.infra.assembly import Assembly, Resource, references

AssemblyOf = Callable[[str], Assembly]
NOT_LOCAL = ("AWS::EC2::", "AWS::RDS::", "AWS::ElastiCache::")


def test_local_has_no_network_database_or_cache_of_its_own(assembly_of: AssemblyOf) -> None:
    """The local cloud is given PostgreSQL and Redis by address, the secret one unseen."""
    local = assembly_of("local")
    assert not [resource.type for resource in local.all() if resource.type.startswith(NOT_LOCAL)]
    parameters = local.templates["Services"]["Parameters"]
    assert parameters["DatabaseUrl"]["NoEcho"] is True
    assert "Default" not in parameters["DatabaseUrl"]
    assert "Default" not in parameters["RedisUrl"]


def test_dev_and_prod_ask_for_no_parameters(cloud_assembly: Assembly) -> None:
    """What is deployed to AWS is all in the templates."""
    for template in cloud_assembly.templates.values():
        assert set(template.get("Parameters", {})) <= {"BootstrapVersion"}


def test_the_database_is_encrypted_private_and_known_by_iam(cloud_assembly: Assembly) -> None:
    """Aurora is PostgreSQL 16, like the local server; its password is made and kept by RDS."""
    (cluster,) = cloud_assembly.of("AWS::RDS::DBCluster")
    assert cluster.properties["EngineVersion"].split(".")[0] == "16"
    assert cluster.properties["StorageEncrypted"] is True
    assert cluster.properties["EnableIAMDatabaseAuthentication"] is True
    assert cluster.properties["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in cluster.properties
    for instance in cloud_assembly.of("AWS::RDS::DBInstance"):
        assert instance.properties["PubliclyAccessible"] is False


def test_dev_scales_to_zero(assembly_of: AssemblyOf) -> None:
    """A sleeping `dev` pays for no database capacity and no second instance."""
    (cluster,) = assembly_of("dev").of("AWS::RDS::DBCluster")
    scaling = cluster.properties["ServerlessV2ScalingConfiguration"]
    assert scaling["MinCapacity"] == 0
    assert scaling["SecondsUntilAutoPause"] == 300
    assert len(assembly_of("dev").of("AWS::RDS::DBInstance")) == 1


def test_no_idle_session_keeps_dev_awake(assembly_of: AssemblyOf) -> None:
    """A warm function's connection ends after the time in which the database would pause."""
    (group,) = assembly_of("dev").of("AWS::RDS::DBClusterParameterGroup")
    assert group.properties["Parameters"] == {"rds.force_ssl": "1", "idle_session_timeout": "300000"}


def test_prod_is_protected_from_deletion(assembly_of: AssemblyOf) -> None:
    """In `prod` the database refuses deletion, and stores outlive their stack."""
    prod = assembly_of("prod")
    (cluster,) = prod.of("AWS::RDS::DBCluster")
    assert cluster.properties["DeletionProtection"] is True
    for kind in ("AWS::RDS::DBCluster", "AWS::S3::Bucket", "AWS::KMS::Key"):
        assert {resource.body["DeletionPolicy"] for resource in prod.of(kind)} == {"Retain"}


def test_stores_are_entered_by_functions_only(cloud_assembly: Assembly) -> None:
    """Every way into a security group comes from the functions' group."""
    (functions,) = [
        group.logical_id
        for group in cloud_assembly.of("AWS::EC2::SecurityGroup")
        if group.properties["GroupDescription"].startswith("Functions")
    ]
    ways_in = cloud_assembly.of("AWS::EC2::SecurityGroupIngress")
    assert ways_in
    for way in ways_in:
        assert references(way.properties["SourceSecurityGroupId"]) == {functions}
    for group in cloud_assembly.of("AWS::EC2::SecurityGroup"):
        assert "SecurityGroupIngress" not in group.properties


def test_no_nat_gateway_runs_unasked(cloud_assembly: Assembly) -> None:
    """Functions go out without a gateway that costs money at rest."""
    assert not cloud_assembly.of("AWS::EC2::NatGateway")


def test_the_cache_is_bounded_and_entered_by_tls(cloud_assembly: Assembly) -> None:
    """A runaway caller meets a limit, not a bill; the address that functions get is TLS."""
    (cache,) = cloud_assembly.of("AWS::ElastiCache::ServerlessCache")
    assert cache.properties["CacheUsageLimits"]["DataStorage"]["Maximum"] > 0
    for function in cloud_assembly.of("AWS::Lambda::Function"):
        variables = function.properties["Environment"]["Variables"]
        assert variables["STEERSMAN_REDIS_URL"]["Fn::Join"][1][0] == "rediss://"
        assert "sslmode=verify-full" in variables["STEERSMAN_DATABASE_URL"]["Fn::Join"][1][-1]


def test_buckets_are_private_and_encrypted(assembly: Assembly) -> None:
    """No bucket can be made public, and the documents are versioned and logged."""
    buckets = assembly.of("AWS::S3::Bucket")
    for bucket in buckets:
        assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket.properties["BucketEncryption"]
    assert _documents(assembly).properties["LoggingConfiguration"]


def test_large_values_have_a_retention_of_their_own(assembly: Assembly) -> None:
    """S3 deletes large values after the environment's days, their old versions a day later, and no document."""
    rules = _documents(assembly).properties["LifecycleConfiguration"]["Rules"]
    expiring = [rule for rule in rules if "ExpirationInDays" in rule]
    assert [(rule["Prefix"], rule["ExpirationInDays"]) for rule in expiring] == [
        ("payloads/", ENVIRONMENTS[assembly.name].payload_retention_days)
    ]
    assert expiring[0]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 1
    assert all(rule["Status"] == "Enabled" for rule in rules)


def test_prod_keeps_large_values_longer_than_any_task_lives() -> None:
    """In `prod` no open task loses a value: the longest deadline is a year."""
    assert ENVIRONMENTS["prod"].payload_retention_days > 366


def test_stores_are_under_the_own_key_or_all_under_aws_s(assembly: Assembly) -> None:
    """One key, which rotates, encrypts documents, database and cache; where it is not wanted nothing pays for one."""
    stores = [*assembly.of("AWS::RDS::DBCluster"), *assembly.of("AWS::ElastiCache::ServerlessCache")]
    named = [store.properties.get("KmsKeyId") for store in stores]
    (rule,) = _documents(assembly).properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    if not ENVIRONMENTS[assembly.name].own_key:
        assert not assembly.of("AWS::KMS::Key")
        assert not any(named)
        assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        return
    (key,) = assembly.of("AWS::KMS::Key")
    assert key.properties["EnableKeyRotation"] is True
    for place in (*named, rule):
        assert references(place) == {key.logical_id}


def _documents(assembly: Assembly) -> Resource:
    (found,) = [
        bucket for bucket in assembly.of("AWS::S3::Bucket") if "VersioningConfiguration" in bucket.properties
    ]
    return found

"""Brings the database's schema up to date during a deploy, before the code that needs it."""

from pathlib import Path

from aws_cdk import CustomResource, Duration
from constructs import Construct

from infra.constructs.python_function import PythonFunction
from infra.content import content_hash, files_below
from layers import build


class Migration(Construct):
    """Calls the migrating function when a migration or a seed has changed; a failure fails the deploy.

    The function is the resource's ServiceToken itself and answers CloudFormation at the event's ResponseURL.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, function: PythonFunction, timeout_s: int
    ) -> None:
        super().__init__(scope, construct_id)
        self.resource = CustomResource(
            self,
            "Run",
            resource_type="Custom::DatabaseMigration",
            service_token=function.function.function_arn,
            service_timeout=Duration.seconds(timeout_s),
            properties={"Migrations": content_hash(migration_files(), root=build.PACKAGE)},
        )
        # The call needs every right of the function, and they are a resource of their own.
        self.resource.node.add_dependency(function)

    def before(self, *functions: PythonFunction) -> None:
        """Let the migration end before these functions are created or changed."""
        for function in functions:
            function.function.node.add_dependency(self.resource)


def migration_files() -> list[Path]:
    """Return what a migration is made of: the migrations, the default templates, everything called seed."""
    package = build.PACKAGE
    seeds = (path for path in package.rglob("seed*") if path.is_file() and path.suffix != ".pyc")
    return sorted({*files_below(package / "db/migrations"), *files_below(package / "tasks/defaults"), *seeds})

"""The stateless stack: functions, queues, HTTP API, schedules, alarms. It can be deleted and made again."""

from aws_cdk import CfnOutput, Duration, Fn, Stack
from aws_cdk import aws_events as events
from constructs import Construct

from infra.constructs.alarms import Alarms
from infra.constructs.code import ROOT, dependencies_layer, functions_code, steersman_layer
from infra.constructs.exceptions import accept
from infra.constructs.http_api import HttpApi
from infra.constructs.log_retention import retention
from infra.constructs.machines import Machines
from infra.constructs.migration import Migration
from infra.constructs.permissions import Resources, statements
from infra.constructs.python_function import PythonFunction, Surroundings
from infra.constructs.schedule import Schedule
from infra.constructs.stage_queue import StageQueue
from infra.environments import Environment, Rhythm
from infra.function_table import BY_NAME, FUNCTIONS, STAGE_TIMEOUT_S, Access
from infra.models import Models
from infra.routes import read_routes
from infra.stacks.stateful import DataStack
from infra.stacks.variables import variables
from steersman.tasks.references import PREFIX as PAYLOADS
from steersman.tasks.words import Queue

OPENAPI = ROOT / "shared/steersman/http/openapi.json"
FALLBACK = "api-health"
OWNER_SECRET = "STEERSMAN_DATABASE_ADMIN_SECRET"  # noqa: S105  the name of a variable
MIGRATE, SWEEP, PARTITIONS = "ops-migrate", "ops-sweep", "ops-partitions"
HOUSEKEEPING = {
    Rhythm.DAILY: {"hour": "3", "minute": "17"},
    Rhythm.WEEKLY: {"week_day": "SUN", "hour": "3", "minute": "17"},
}
# What state machines' rights are on: names that templates give.
_NAMED_LATER = {Access.EXECUTIONS: ("stateMachine", "execution"), Access.MACHINES: ("stateMachine",)}


class ServicesStack(Stack):
    """Everything of an environment that holds no state."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        models: Models,
        data: DataStack,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=f"Steersman-{environment.title}-Services",
            description="Steersman: functions, queues, API, schedules, alarms",
        )
        self._values = environment
        self._name_prefix = f"steersman-{environment.name}-"
        self._log_retention = retention(environment.log_retention_days)
        self.queues = {queue: self._queue(queue) for queue in Queue}
        lanes = [lane for queue in self.queues.values() for lane in queue.lanes.values()]
        self.machines = Machines(self, "Machines", name_prefix=self._name_prefix, lanes=lanes)
        self.functions = self._functions(models, data)
        self._permit(models, data)
        self._migrate()
        self._feed()
        self._schedule()
        self.api = self._api()
        self._watch()
        CfnOutput(self, "ApiUrl", value=self.api.api.api_endpoint, description="Where the HTTP API answers")
        CfnOutput(self, "ApiId", value=self.api.api.api_id)
        CfnOutput(self, "MachineRoleArn", value=self.machines.role.role_arn)
        CfnOutput(self, "DocumentsBucketName", value=data.documents.bucket.bucket_name)

    def _queue(self, queue: Queue) -> StageQueue:
        return StageQueue(
            self,
            f"Queue{queue.capitalize()}",
            name_prefix=self._name_prefix,
            stage=queue,
            lanes=self._values.lanes,
            function_timeout_s=STAGE_TIMEOUT_S,
        )

    def _queue_prefix(self) -> str:
        """Return the URL of the stage queues up to '<queue>-<lane>', in whatever form this cloud gives it."""
        stage, lane = next(iter(Queue)), self._values.lanes[0]
        url = self.queues[stage].lanes[lane].queue_url
        return Fn.select(0, Fn.split(f"{stage}-{lane}", url))

    def _functions(self, models: Models, data: DataStack) -> dict[str, PythonFunction]:
        layers = [steersman_layer(self, "SteersmanLayer")]
        if self._values.dependencies_layer:
            layers.append(dependencies_layer(self, "DependenciesLayer"))
        surroundings = Surroundings(
            name_prefix=self._name_prefix,
            code=functions_code(),
            layers=layers,
            variables=variables(
                self, environment=self._values, models=models, data=data, queue_prefix=self._queue_prefix()
            )
            | {
                "STEERSMAN_MACHINE_PREFIX": self._name_prefix,
                "STEERSMAN_MACHINE_ROLE": self.machines.role.role_arn,
            },
            log_level=self._values.log_level,
            log_retention=self._log_retention,
            network=data.stores.network if data.stores else None,
            snap_start=self._values.snap_start,
        )
        return {
            spec.name: PythonFunction(self, _id(spec.name), spec=spec, surroundings=surroundings)
            for spec in FUNCTIONS
        }

    def _permit(self, models: Models, data: DataStack) -> None:
        resources = Resources(
            stack=self,
            lanes=[lane for queue in self.queues.values() for lane in queue.lanes.values()],
            dead=[queue.dead for queue in self.queues.values()],
            documents_arn=data.documents_arn,
            machines=self.machines,
            key=data.key,
            database=data.stores.database if data.stores else None,
            models=models,
        )
        for spec in FUNCTIONS:
            function = self.functions[spec.name]
            for access in sorted(spec.access):
                function.allow(statements(access, resources))
            if data.stores and Access.DATABASE_OWNER in spec.access:
                function.function.add_environment(OWNER_SECRET, data.stores.database.owner_secret_arn)
            self._explain(function, spec.access, models, data)

    def _explain(
        self, function: PythonFunction, access: frozenset[Access], models: Models, data: DataStack
    ) -> None:
        if Access.DOCUMENTS in access:
            accept(
                function.role,
                f"IAM5[Resource::{data.documents_arn_export}/*]",
                because="Documents are objects whose names are made at run time.",
            )
        if Access.PAYLOADS in access:
            accept(
                function.role,
                f"IAM5[Resource::{data.documents_arn_export}/{PAYLOADS}*]",
                because="Large values of tasks are objects whose names are made at run time.",
            )
        for right, kinds in _NAMED_LATER.items():
            for kind in kinds if right in access else ():
                accept(
                    function.role,
                    f"IAM5[Resource::arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:{kind}:"
                    f"{self._name_prefix}*]",
                    because="State machines are made when templates are published; their names begin so.",
                )
        for model in models.bedrock:
            if Access.MODELS in access and model.is_profile:
                accept(
                    function.role,
                    f"IAM5[Resource::arn:<AWS::Partition>:bedrock:*::foundation-model/{model.name}]",
                    because="A cross-region profile calls the model in a region of its own choice.",
                )

    def _migrate(self) -> None:
        timeout_s = BY_NAME[MIGRATE].timeout_s
        migration = Migration(self, "Migration", function=self.functions[MIGRATE], timeout_s=timeout_s)
        migration.before(*(function for name, function in self.functions.items() if name != MIGRATE))

    def _feed(self) -> None:
        for spec in FUNCTIONS:
            if spec.serves:
                self.queues[spec.serves].feed(
                    self.functions[spec.name].target, max_concurrency=self._values.max_concurrency
                )

    def _schedule(self) -> None:
        Schedule(
            self,
            "SweepSchedule",
            function=self.functions[SWEEP].target,
            schedule=events.Schedule.rate(Duration.minutes(1)),
            description="Finds lost leases and expired tasks",
            patience=Duration.minutes(1),
        )
        Schedule(
            self,
            "PartitionsSchedule",
            function=self.functions[PARTITIONS].target,
            schedule=events.Schedule.cron(**HOUSEKEEPING[self._values.housekeeping]),
            description="Creates the next partitions of the history, drops those past retention",
            patience=Duration.hours(24),  # the most that EventBridge has: the next call may be a week away
        )

    def _api(self) -> HttpApi:
        return HttpApi(
            self,
            "HttpApi",
            name=f"{self._name_prefix}api",
            routes=read_routes(OPENAPI),
            functions={name: function.target for name, function in self.functions.items()},
            fallback=FALLBACK,
            iam_authorization=self._values.iam_authorization,
            requests_per_s=self._values.requests_per_s,
            request_burst=self._values.request_burst,
            log_retention=self._log_retention,
        )

    def _watch(self) -> None:
        alarms = Alarms(self, "Alarms", email=self.node.try_get_context("alarm_email"))
        alarms.on_dead_letters({queue: stage.dead for queue, stage in self.queues.items()})
        alarms.on_errors({name: self.functions[name].function for name in (SWEEP, PARTITIONS)})
        alarms.on_server_errors(self.api.api)


def _id(name: str) -> str:
    """Return a function's name as a construct id: ApiTasks for api-tasks."""
    return "".join(part.capitalize() for part in name.split("-"))

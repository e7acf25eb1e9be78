"""Functions: the table becomes functions that are alike in all that is policy."""

from infra.environments import ENVIRONMENTS, Rhythm
from infra.function_table import FUNCTIONS
from steersman.db.partitions import MONTHS_AHEAD
from steersman.settings import Settings
from tests.infra.assembly import Assembly, functions, references

CRON = {Rhythm.DAILY: "cron(17 3 * * ? *)", Rhythm.WEEKLY: "cron(17 3 ? * SUN *)"}


def test_every_function_of_the_table_is_deployed_and_no_other(assembly: Assembly) -> None:
    """The table is complete: no function exists that it does not describe."""
    expected = {
        f"steersman-{assembly.name}-{spec.name}": (spec.handler, spec.memory_mb, spec.timeout_s)
        for spec in FUNCTIONS
    }
    deployed = {
        one["FunctionName"]: (one["Handler"], one["MemorySize"], one["Timeout"])
        for one in (function.properties for function in functions(assembly))
    }
    assert deployed == expected


def test_functions_run_python_3_13_on_arm64_with_json_logs(assembly: Assembly) -> None:
    """Every function runs on the platform that its layers are built for, and can be observed."""
    for function in functions(assembly):
        assert function.properties["Runtime"] == "python3.13"
        assert function.properties["Architectures"] == ["arm64"]
        assert function.properties["LoggingConfig"]["LogFormat"] == "JSON"


def test_every_function_is_traced_but_those_that_schedules_call(assembly: Assembly) -> None:
    """What somebody asked for has a trace of its own; a call of the clock is billed for none."""
    scheduled = {
        target
        for rule in assembly.of("AWS::Events::Rule")
        for target in references(rule.properties["Targets"])
    }
    assert scheduled
    for function in functions(assembly):
        mode = "PassThrough" if function.logical_id in scheduled else "Active"
        assert function.properties["TracingConfig"] == {"Mode": mode}


def test_stages_may_lead_to_stages_without_end(assembly: Assembly) -> None:
    """Lambda's guard against loops, which ends a chain after 16 rounds, is off where chains are what is wanted."""
    stages = {f"steersman-{assembly.name}-{spec.name}" for spec in FUNCTIONS if spec.serves}
    assert stages
    allowed = {
        function.properties["FunctionName"]
        for function in functions(assembly)
        if function.properties.get("RecursiveLoop") == "Allow"
    }
    assert allowed == stages


def test_every_function_has_a_role_of_its_own(assembly: Assembly) -> None:
    """A right given to one function is a right of no other."""
    roles = [references(function.properties["Role"]).pop() for function in functions(assembly)]
    assert len(set(roles)) == len(FUNCTIONS)


def test_every_log_expires(assembly: Assembly) -> None:
    """Every function writes to a log group of this stack, and every group has the environment's retention."""
    groups = {group.logical_id: group.properties for group in assembly.of("AWS::Logs::LogGroup")}
    days = ENVIRONMENTS[assembly.name].log_retention_days
    assert {group["RetentionInDays"] for group in groups.values()} == {days}
    for function in functions(assembly):
        (group,) = references(function.properties["LoggingConfig"]["LogGroup"])
        assert groups[group]["LogGroupName"] == f"/aws/lambda/{function.properties['FunctionName']}"


def test_layers_carry_the_code_and_its_dependencies(assembly: Assembly) -> None:
    """Functions have the steersman layer, and the wheels' layer wherever their interpreter lacks them."""
    expected = 2 if ENVIRONMENTS[assembly.name].dependencies_layer else 1
    layers = {layer.logical_id for layer in assembly.of("AWS::Lambda::LayerVersion")}
    assert len(layers) == expected
    for function in functions(assembly):
        assert references(function.properties["Layers"]) == layers


def test_functions_are_told_every_setting_they_need_and_none_that_is_unknown(assembly: Assembly) -> None:
    """Each STEERSMAN_ variable is a field of Settings, and the required fields are all given."""
    known = {f"STEERSMAN_{name.upper()}": field for name, field in Settings.model_fields.items()}
    required = {name for name, field in known.items() if field.is_required()}
    for function in functions(assembly):
        variables = function.properties["Environment"]["Variables"]
        given = {name for name in variables if name.startswith("STEERSMAN_")}
        assert given <= known.keys()
        assert required <= given


def test_the_schema_is_migrated_before_new_code_runs(assembly: Assembly) -> None:
    """Every function but the migrating one waits for the migration."""
    (migration,) = assembly.of("Custom::DatabaseMigration")
    migrate = assembly.named("AWS::Lambda::Function", f"steersman-{assembly.name}-ops-migrate")
    assert references(migration.properties["ServiceToken"]) == {migrate.logical_id}
    assert len(migration.properties["Migrations"]) == 64
    for function in functions(assembly):
        waits = migration.logical_id in function.body.get("DependsOn", [])
        assert waits is (function.logical_id != migrate.logical_id)


def test_housekeeping_has_a_schedule_and_an_alarm(assembly: Assembly) -> None:
    """The sweep runs every minute, partitions are made as often as the environment says, and somebody hears of
    a failure.
    """
    called = {
        target: rule.properties["ScheduleExpression"]
        for rule in assembly.of("AWS::Events::Rule")
        for target in references(rule.properties["Targets"])
    }
    watched = {
        target
        for alarm in assembly.of("AWS::CloudWatch::Alarm")
        if alarm.properties["MetricName"] == "Errors"
        for target in references(alarm.properties["Dimensions"])
    }
    sweep = assembly.named("AWS::Lambda::Function", f"steersman-{assembly.name}-ops-sweep").logical_id
    partitions = assembly.named(
        "AWS::Lambda::Function", f"steersman-{assembly.name}-ops-partitions"
    ).logical_id
    expected = CRON[ENVIRONMENTS[assembly.name].housekeeping]
    assert called == {sweep: "rate(1 minute)", partitions: expected}
    assert watched == {sweep, partitions}


def test_partitions_are_made_long_before_a_missed_housekeeping_is_missed() -> None:
    """A database that sleeps is woken once a week at most, and months lie between a failure and its harm."""
    assert MONTHS_AHEAD >= 3
    for environment in ENVIRONMENTS.values():
        asleep = environment.stores is not None and environment.stores.pauses
        assert environment.housekeeping is (Rhythm.WEEKLY if asleep else Rhythm.DAILY)


def test_snapstart_is_on_where_requests_wait_in_prod(assembly: Assembly) -> None:
    """In `prod` the API's functions start from a snapshot of a published version; nothing else does."""
    started = {
        function.properties["Handler"].split(".")[1]
        for function in functions(assembly)
        if "SnapStart" in function.properties
    }
    assert started == ({"api"} if assembly.name == "prod" else set())
    snapped = [spec for spec in FUNCTIONS if spec.snap_start]
    assert len(assembly.of("AWS::Lambda::Alias")) == (len(snapped) if assembly.name == "prod" else 0)

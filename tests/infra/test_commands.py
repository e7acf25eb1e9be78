"""The commands behind `make synth` and `make deploy`."""

from collections.abc import Callable

import pytest

from infra import commands
from layers.lock import command as lock_command

Calls = list[tuple[str, ...]]


@pytest.fixture
def cdk(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, int]], Calls]:
    """Return a function that puts a fake CDK in place, with exit codes by subcommand, and gives its calls."""

    def replace(codes: dict[str, int]) -> Calls:
        calls: Calls = []

        def run(*arguments: str) -> int:
            calls.append(arguments)
            return codes.get(arguments[0], 0)

        monkeypatch.setattr(commands, "_prepare", lambda: None)
        monkeypatch.setattr(commands, "_cdk", run)
        return calls

    return replace


def test_deploy_bootstraps_then_deploys_with_the_options_given(
    cdk: Callable[[dict[str, int]], Calls],
) -> None:
    """One command is enough in an account that has never seen the CDK."""
    calls = cdk({})
    assert commands.main(["deploy", "dev", "-c", "llm_provider=bedrock"]) == 0
    assert [call[0] for call in calls] == ["bootstrap", "deploy"]
    assert "environment=dev" in calls[1]
    assert calls[1][-2:] == ("-c", "llm_provider=bedrock")


def test_a_failed_bootstrap_deploys_nothing(cdk: Callable[[dict[str, int]], Calls]) -> None:
    """The exit code is that of what failed."""
    calls = cdk({"bootstrap": 3})
    assert commands.main(["deploy", "prod"]) == 3
    assert len(calls) == 1


def test_a_finding_of_the_synthesis_is_a_failure(cdk: Callable[[dict[str, int]], Calls]) -> None:
    """What cdk-nag refuses does not reach cfn-lint, and fails the command."""
    calls = cdk({"synth": 1})
    assert commands.main(["synth", "dev"]) == 1
    assert len(calls) == 1


def test_local_is_not_deployed_by_this_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The local environment is the local cloud's business."""
    with pytest.raises(SystemExit):
        commands.main(["deploy", "local"])
    assert "invalid choice: 'local'" in capsys.readouterr().err


def test_the_layers_lock_is_for_lambda_at_the_versions_of_the_people() -> None:
    """The lock of the layer is resolved for Lambda's platform under the constraints of the development lock."""
    command = lock_command()
    assert command[command.index("--python-platform") + 1] == "aarch64-manylinux_2_28"
    assert command[command.index("--constraints") + 1] == "requirements/dev.txt"
    assert "boto3" in command

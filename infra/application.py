"""The application: two stacks of one environment, and the checks that they pass."""

from aws_cdk import App, Tags, Validations
from cdk_nag import AwsSolutionsChecks

from infra.environments import find
from infra.models import read_models
from infra.stacks.services import ServicesStack
from infra.stacks.stateful import DataStack

DEFAULT = "local"


def build(app: App) -> tuple[DataStack, ServicesStack]:
    """Add the stacks of the environment that the context `environment` names to `app`.

    Raises ValueError for a name that is not in `infra.environments`, or a model setting that makes no sense.
    """
    environment = find(app.node.try_get_context("environment") or DEFAULT)
    models = read_models(app.node)
    data = DataStack(app, "Data", environment=environment, models=models)
    services = ServicesStack(app, "Services", environment=environment, models=models, data=data)
    Tags.of(app).add("application", "steersman")
    Tags.of(app).add("environment", environment.name)
    if environment.checked:
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return data, services

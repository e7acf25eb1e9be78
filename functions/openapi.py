"""Write the API's description from the handlers: `make openapi`."""

import sys
from importlib.resources import files
from pathlib import Path

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.api import (
    agents,
    approvals,
    audit,
    dead_letters,
    documents,
    events,
    health,
    pauses,
    projects,
    schedules,
    tasks,
    templates,
)
from steersman.http.openapi import generate, text


def routers() -> list[APIGatewayHttpRouter]:
    """Return the routers of every HTTP function."""
    modules = (
        tasks,
        approvals,
        pauses,
        events,
        templates,
        schedules,
        agents,
        documents,
        projects,
        dead_letters,
        audit,
        health,
    )
    return [module.router for module in modules]


def main() -> None:
    """Write the description to its place in the package, from where the API serves it."""
    target = Path(str(files("steersman.http").joinpath("openapi.json")))
    target.write_text(text(generate(routers())))
    sys.stdout.write(f"wrote {target}\n")


if __name__ == "__main__":
    main()

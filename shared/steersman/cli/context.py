"""What every command may need: the repository, the local cloud, the API."""

import os
from functools import cache
from pathlib import Path

import typer

from steersman.cli.client import Client
from steersman.local.cloud import LocalCloud
from steersman.local.errors import LocalCloudError
from steersman.local.settings import read_local_settings

API_VARIABLE = "STEERSMAN_API_URL"


@cache
def root() -> Path:
    """Return the repository's root: the nearest folder upwards that holds cdk.json; else that of this package."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "cdk.json").is_file() and (folder / "shared/steersman").is_dir():
            return folder
    return Path(__file__).resolve().parents[3]


@cache
def cloud() -> LocalCloud:
    """Return the local cloud of this repository."""
    return LocalCloud(root(), read_local_settings(os.environ))


def client() -> Client:
    """Return a client of the API at STEERSMAN_API_URL, or of the local cloud's."""
    url = os.environ.get(API_VARIABLE)
    if not url:
        try:
            url = cloud().endpoints().api_url
        except LocalCloudError as exc:
            exc.advice = (
                exc.advice or f"start it with `make up`, or set {API_VARIABLE} to another API's address"
            )
            raise
    return Client(url)


Json = typer.Option("--json", help="Print JSON for programs instead of text for people.")
Project = typer.Option("--project", "-p", help="The project to work in.")

"""What functions run: the asset of their entry points, and the layers beside it, built without Docker."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, IgnoreMode, ILocalBundling
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.content import content_hash, files_below
from layers import build

ROOT = build.ROOT
RUNTIME = lambda_.Runtime.PYTHON_3_13
ARCHITECTURE = lambda_.Architecture.ARM_64


@jsii.implements(ILocalBundling)
class LocalBuild:
    """Builds an asset by a function that fills a folder; the CDK calls it only when the hash is new."""

    def __init__(self, fill: Callable[[Path], None]) -> None:
        self._fill = fill

    def try_bundle(self, output_dir: str, *_: Any, **__: Any) -> bool:
        self._fill(Path(output_dir))
        return True


def functions_code() -> lambda_.Code:
    """Return the asset of the package `functions`; its hash changes with that package only."""
    return lambda_.Code.from_asset(
        str(ROOT),
        exclude=["*", "!functions", "**/__pycache__", "**/*.pyc"],
        ignore_mode=IgnoreMode.DOCKER,
    )


def steersman_layer(scope: Construct, construct_id: str) -> lambda_.LayerVersion:
    """Return the layer of the package `steersman`."""
    return _layer(
        scope,
        construct_id,
        description="The package steersman",
        folder=build.PACKAGE,
        digest=content_hash(build.shipped_files(), root=ROOT),
        fill=build.steersman_layer,
    )


def dependencies_layer(scope: Construct, construct_id: str) -> lambda_.LayerVersion:
    """Return the layer of the locked third-party wheels."""
    recipe = [Path(build.__file__), *files_below(build.REQUIREMENTS.parent)]
    return _layer(
        scope,
        construct_id,
        description="Third-party packages, as locked",
        folder=build.REQUIREMENTS.parent,
        digest=content_hash(recipe, root=ROOT),
        fill=build.dependencies_layer,
    )


def _layer(
    scope: Construct,
    construct_id: str,
    *,
    description: str,
    folder: Path,
    digest: str,
    fill: Callable[[Path], None],
) -> lambda_.LayerVersion:
    code = lambda_.Code.from_asset(
        str(folder),
        asset_hash=digest,
        asset_hash_type=AssetHashType.CUSTOM,
        bundling=BundlingOptions(
            image=DockerImage.from_registry("unused"),  # required by the type; the local build never declines
            local=LocalBuild(fill),
        ),
    )
    return lambda_.LayerVersion(
        scope,
        construct_id,
        code=code,
        description=description,
        compatible_runtimes=[RUNTIME],
        compatible_architectures=[ARCHITECTURE],
    )

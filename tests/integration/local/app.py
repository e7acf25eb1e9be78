"""Stands for infra/app.py: writes the assembly that the CDK's library would write."""

import json
import os
from pathlib import Path

TEMPLATE = {
    "Parameters": {"DatabaseUrl": {"Type": "String", "NoEcho": True}},
    "Resources": {
        "Documents": {"Type": "AWS::S3::Bucket"},
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "api", "ProtocolType": "HTTP"}},
    },
    "Outputs": {"DocumentsBucketName": {"Value": {"Ref": "Documents"}}, "ApiId": {"Value": {"Ref": "Api"}}},
}
ARTIFACT = {
    "type": "aws:cloudformation:stack",
    "environment": "aws://000000000000/us-east-1",
    "properties": {"templateFile": "Services.template.json", "stackName": "Steersman-Local-Services"},
}


def main() -> None:
    """Write the assembly to the folder that the caller names."""
    folder = Path(os.environ["CDK_OUTDIR"])
    folder.mkdir()
    (folder / "Services.template.json").write_text(json.dumps(TEMPLATE))
    (folder / "manifest.json").write_text(
        json.dumps({"version": "36.0.0", "artifacts": {"Services": ARTIFACT}})
    )


if __name__ == "__main__":
    main()

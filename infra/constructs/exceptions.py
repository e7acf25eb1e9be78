"""Exceptions from the checks of cdk-nag, each with its reason."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def accept(construct: IConstruct, finding: str, *, because: str) -> None:
    """Accept one finding of AwsSolutions (`IAM5[Resource::*]`) on a construct and everything in it."""
    Validations.of(construct).acknowledge(Acknowledgment(id=f"AwsSolutions-{finding}", reason=because))

"""Resource types that cost nothing in a month in which nothing happens, each with the reason."""

from collections.abc import Mapping

_SET_UP = "configuration, never billed"
_USED = "billed by use, and nothing uses it"
_NETWORK = "part of the network, never billed"

FREE: Mapping[str, str] = {
    "AWS::ApiGatewayV2::Api": _USED,
    "AWS::ApiGatewayV2::Integration": _SET_UP,
    "AWS::ApiGatewayV2::Route": _SET_UP,
    "AWS::ApiGatewayV2::Stage": _SET_UP,
    "AWS::CDK::Metadata": _SET_UP,
    "AWS::EC2::EgressOnlyInternetGateway": "billed by traffic out, and there is none",
    "AWS::EC2::FlowLog": "rejected packets only: nothing from outside can reach the network",
    "AWS::EC2::InternetGateway": _NETWORK,
    "AWS::EC2::Route": _NETWORK,
    "AWS::EC2::RouteTable": _NETWORK,
    "AWS::EC2::SecurityGroup": _NETWORK,
    "AWS::EC2::SecurityGroupEgress": _NETWORK,
    "AWS::EC2::SecurityGroupIngress": _NETWORK,
    "AWS::EC2::Subnet": _NETWORK,
    "AWS::EC2::SubnetRouteTableAssociation": _NETWORK,
    "AWS::EC2::VPC": _NETWORK,
    "AWS::EC2::VPCCidrBlock": _NETWORK,
    "AWS::EC2::VPCGatewayAttachment": _NETWORK,
    "AWS::IAM::Policy": _SET_UP,
    "AWS::IAM::Role": _SET_UP,
    "AWS::Lambda::Alias": _SET_UP,
    "AWS::Lambda::Function": "billed by use: what schedules call is counted with the schedule",
    "AWS::Lambda::LayerVersion": _SET_UP,
    "AWS::Lambda::Permission": _SET_UP,
    "AWS::Logs::LogGroup": "billed by what is written: that of schedules is counted with them",
    "AWS::RDS::DBClusterParameterGroup": _SET_UP,
    "AWS::RDS::DBSubnetGroup": _SET_UP,
    "AWS::S3::Bucket": "billed by what it holds, and it is empty",
    "AWS::S3::BucketPolicy": _SET_UP,
    "AWS::SNS::Subscription": _USED,
    "AWS::SNS::Topic": _USED,
    "AWS::SNS::TopicPolicy": _SET_UP,
    "AWS::SQS::Queue": "billed by use: polls are counted with the event sources",
    "AWS::SQS::QueuePolicy": _SET_UP,
    "Custom::DatabaseMigration": "a call of a function during a deploy",
}

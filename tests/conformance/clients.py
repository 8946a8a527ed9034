"""Clients of one endpoint, or of moto in this process."""

from unittest import mock

import boto3
import botocore.session
from botocore.config import Config

SERVICES = ["ecs", "elbv2", "ssm", "application-autoscaling", "dynamodb", "sts", "cloudwatch", "lambda"]
REGION = "eu-west-1"


def clients(endpoint=None, session=None, checked=True):
    """One client a service; `checked=False` sends what botocore itself would refuse to send."""
    session = session or botocore.session.get_session()
    session.set_config_variable("region", REGION)
    config = Config(parameter_validation=checked, retries={"total_max_attempts": 1}, user_agent="conformance")
    made = boto3.Session(botocore_session=session, aws_access_key_id="key", aws_secret_access_key="secret")
    return {name: made.client(name, endpoint_url=endpoint, config=config) for name in SERVICES}


def speaking(protocol, service, endpoint, session, checked=True):
    """A client that speaks one of the several protocols of its service."""
    with mock.patch("botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", (protocol,)):
        config = Config(region_name=REGION, parameter_validation=checked, retries={"total_max_attempts": 1}, user_agent="conformance")
        client = session.create_client(service, endpoint_url=endpoint, config=config, aws_access_key_id="key", aws_secret_access_key="secret")
        assert client.meta.service_model.resolved_protocol == protocol
    return client

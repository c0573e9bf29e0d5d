"""What create_resources makes behind boto3, read back from moto."""

from __future__ import annotations

import json

import pytest
from moto import mock_aws

from infra.aws_resources import create_resources, local_session
from infra.wiring import load_wiring


@pytest.mark.moto
def test_everything_the_functions_use_is_made_as_the_template_says():
    wiring = load_wiring()
    with mock_aws():
        create_resources(wiring)
        session = local_session(wiring.region)
        check_tables(session.client("dynamodb"), wiring)
        check_queues(session.client("sqs"), wiring)
        assert [b["Name"] for b in session.client("s3").list_buckets()["Buckets"]] == list(wiring.buckets)
        buses = {b["Name"] for b in session.client("events").list_event_buses()["EventBuses"]}
        assert buses == {"default", *wiring.buses}
        ses = session.client("sesv2")
        assert [i["IdentityName"] for i in ses.list_email_identities()["EmailIdentities"]] == ["billing@example.com"]
        assert ses.list_configuration_sets()["ConfigurationSets"] == ["paidup-local-MailEvents"]


def check_tables(dynamodb, wiring):
    assert sorted(dynamodb.list_tables()["TableNames"]) == sorted(wiring.tables)
    for table in wiring.tables.values():
        made = dynamodb.describe_table(TableName=table.name)["Table"]
        assert {i["IndexName"] for i in made.get("GlobalSecondaryIndexes", [])} == set(table.indexes)
        ttl = dynamodb.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
        assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "expires")


def check_queues(sqs, wiring):
    for queue in wiring.queues.values():
        attributes = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])["Attributes"]
        assert attributes["QueueArn"] == queue.arn
        assert int(attributes["VisibilityTimeout"]) == queue.visibility_seconds
        assert int(attributes["MessageRetentionPeriod"]) == queue.retention_seconds
        redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
        assert redrive.get("maxReceiveCount") == queue.max_receives
        assert redrive.get("deadLetterTargetArn") == (wiring.queues[queue.dlq].arn if queue.dlq else None)

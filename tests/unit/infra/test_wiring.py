"""Reading a template: what SAM and CloudFormation would make of it, without asking either."""

from __future__ import annotations

import socket
import textwrap

import pytest

from infra.template import UnknownIntrinsic, read_template
from infra.wiring import Grant, QueueMapping, Route, load_wiring

TEMPLATE = """
    Transform: AWS::Serverless-2016-10-31
    Parameters: {Stage: {Type: String, Default: blue}}
    Conditions: {Green: !Equals [!Ref Stage, green], NotGreen: !Not [!Equals [!Ref Stage, green]]}
    Globals: {Function: {CodeUri: dist, Runtime: python3.13}}
    Resources:
      Worker:
        Type: AWS::Serverless::Function
        Properties:
          Handler: toys.work
          Timeout: 7
          Role: !GetAtt Role.Arn
          Environment: {Variables: {URL: !Ref Jobs, TABLE: !Ref Records, STAGE: !Ref Stage}}
          EventInvokeConfig:
            MaximumRetryAttempts: 1
            DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}
          Events:
            Queue:
              Type: SQS
              Properties: {Queue: !GetAtt Jobs.Arn, BatchSize: 3, FunctionResponseTypes: [ReportBatchItemFailures]}
            Tick: {Type: Schedule, Properties: {Schedule: rate(5 minutes), Input: '{"a": 1}'}}
            Open: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /open, Method: GET, Auth: {Authorizer: NONE}}}
            Item: {Type: Api, Properties: {RestApiId: !Ref Api, Path: '/items/{id}', Method: PUT}}
      Role:
        Type: AWS::IAM::Role
        Properties:
          AssumeRolePolicyDocument: {}
          Policies:
            - PolicyName: work
              PolicyDocument: {Statement: [{Effect: Allow, Action: dynamodb:GetItem, Resource: !GetAtt Records.Arn}]}
      Api:
        Type: AWS::Serverless::Api
        Properties:
          StageName: live
          Auth: {DefaultAuthorizer: Users, Authorizers: {Users: {UserPoolArn: !GetAtt Pool.Arn}}}
      Pool: {Type: AWS::Cognito::UserPool}
      Jobs:
        Type: AWS::SQS::Queue
        Properties: {VisibilityTimeout: 42, RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 4}}
      Dead: {Type: AWS::SQS::Queue}
      Records:
        Type: AWS::DynamoDB::Table
        Properties:
          BillingMode: PAY_PER_REQUEST
          AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
          KeySchema: [{AttributeName: pk, KeyType: HASH}]
      Files: {Type: AWS::S3::Bucket}
      OnlyGreen: {Type: AWS::SNS::Topic, Condition: Green}
      NeverGreen:
        Type: AWS::SNS::Topic
        Condition: NotGreen
        Properties:
          DisplayName: !If
            - Green
            - a
            - !Join ['-', [!Ref Stage, !Sub '${Records.Arn}/x', !Sub ['${y}', {y: !Ref AWS::Region}]]]
          Tags: !If [Green, [], !Ref AWS::NoValue]
"""


@pytest.fixture
def written(tmp_path):
    def write(text=TEMPLATE):
        path = tmp_path / "template.yaml"
        path.write_text(textwrap.dedent(text))
        return path

    return write


def test_a_function_is_known_with_its_limits_its_environment_and_all_that_invokes_it(written):
    wiring = load_wiring(written(), {})
    worker = wiring.functions["Worker"]
    assert (worker.handler, worker.timeout_seconds, worker.memory_mb) == ("toys.work", 7, 128)
    assert worker.env == {
        "URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/paidup-local-Jobs",
        "TABLE": "paidup-local-Records",
        "STAGE": "blue",
    }
    assert worker.mappings == (QueueMapping("paidup-local-Jobs", 3, 0, True, None),)
    (rule,) = worker.rules
    assert (rule.expression, rule.input, rule.dlq) == ("rate(5 minutes)", {"a": 1}, None)
    assert set(worker.routes) == {
        Route("GET", "/open", "Worker", None),
        Route("PUT", "/items/{id}", "Worker", "Users"),
    }
    assert (worker.async_retries, worker.on_failure) == (1, "paidup-local-Dead")


def test_a_queue_is_known_with_its_redrive_and_what_is_unsaid_is_as_aws_has_it(written):
    wiring = load_wiring(written(), {})
    jobs, dead = wiring.queues["paidup-local-Jobs"], wiring.queues["paidup-local-Dead"]
    assert (jobs.visibility_seconds, jobs.max_receives, jobs.dlq) == (42, 4, dead.name)
    assert (dead.visibility_seconds, dead.retention_seconds, dead.max_receives, dead.dlq) == (30, 345600, None, None)
    assert wiring.queue_by_url(jobs.url) == jobs


def test_parameters_decide_which_resources_there_are_and_what_they_say(written):
    blue, green = read_template(written()), read_template(written(), {"Stage": "green"})
    assert "OnlyGreen" not in blue.resources
    assert "NeverGreen" not in green.resources
    said = blue.resources["NeverGreen"].properties
    assert said == {
        "DisplayName": "blue-arn:aws:dynamodb:eu-central-1:123456789012:table/paidup-local-Records/x-eu-central-1"
    }
    assert green.resources["OnlyGreen"].arn == "arn:aws:sns:eu-central-1:123456789012:paidup-local-OnlyGreen"


def test_a_bucket_s_name_is_lower_case_as_s3_wants_it(written):
    assert load_wiring(written(), {}).buckets == ("paidup-local-files",)


@pytest.mark.parametrize(
    "unknown", ["!GetAtt Jobs.Colour", "!Select [0, [a]]", "!ImportValue other", "!GetAtt Api.Arn2"]
)
def test_what_is_not_understood_is_refused_and_not_guessed(written, unknown):
    text = TEMPLATE.replace("OnlyGreen: {Type: AWS::SNS::Topic, Condition: Green}",
                            f"Odd: {{Type: AWS::SNS::Topic, Properties: {{TopicName: {unknown}}}}}")  # fmt: skip
    with pytest.raises(UnknownIntrinsic):
        read_template(written(text))


def test_reading_a_template_opens_no_connection(written, monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    load_wiring(written(), {})


# ---- rights ------------------------------------------------------------------------------------------------


def test_a_function_may_do_what_its_role_says_and_nothing_else(written):
    wiring = load_wiring(written(), {})
    worker, records = wiring.functions["Worker"], wiring.tables["paidup-local-Records"]
    assert worker.may("dynamodb:GetItem", records.arn)
    assert not worker.may("dynamodb:GetItem", f"{records.arn}/index/by_name")
    assert not worker.may("dynamodb:GetItem", records.arn.replace("Records", "Other"))
    assert not worker.may("dynamodb:PutItem", records.arn)


def test_a_star_ends_a_resource_and_covers_what_begins_like_it():
    grant = Grant(("s3:GetObject",), ("arn:aws:s3:::files/invoices/*",))
    assert grant.allows("s3:GetObject", "arn:aws:s3:::files/invoices/inv_1.pdf")
    assert not grant.allows("s3:GetObject", "arn:aws:s3:::files/other/inv_1.pdf")


@pytest.mark.parametrize(
    ("id", "label"),
    [
        ("BillRunQueue", "bill_run"),
        ("BillRunDlq", "bill_run_dlq"),
        ("NoticeQueue", "notice"),
        ("TicksDlq", "ticks_dlq"),
    ],
)
def test_a_queue_s_label_is_the_word_that_the_code_has_for_it(id, label):
    (queue,) = (q for q in load_wiring().queues.values() if q.id == id)
    assert queue.label == label

"""QUALITY "Security", asked of the template: rights, encryption, protection, who may come in."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from http import HTTPStatus

import pytest

from shared.domain.rehearsal import RESULT_KEPT

A_WEEK = timedelta(days=7)  # a report is read on its day alone
CONSOLE = "ConsoleFunction"  # behind a cookie, which the function checks
PAY_PAGE = "PayPageFunction"  # behind a link whose token is the key
OPEN_ROUTES = {("GET", "/v1/health"), ("POST", "/webhooks/gateway")}  # the latter is signed by the gateway

# A star in a resource is an error but for these, each reviewed: what stands before it is one function's own log
# group (log streams are named by Lambda) or one folder of the bucket (objects are named by invoice).
ALLOWED_STARS = (
    re.compile(r"arn:aws:logs:[\w-]+:\d{12}:log-group:paidup-local-(?P<function>\w+)Logs:\*"),
    re.compile(r"arn:aws:s3:::paidup-local-filesbucket/(?:invoices|print-batches|logos|rehearsals|reports)/\*"),
)

# SES says what an account may send to who may ask about any account: the action knows no resources.
ACCOUNT_WIDE = ("SendEmailSendRole", "*")


def roles(template):
    return {r.id: r for r in template.of("AWS::IAM::Role")}


def statements(role):
    return [s for policy in role.properties["Policies"] for s in policy["PolicyDocument"]["Statement"]]


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_every_function_has_a_role_of_its_own(template):
    used = [f.properties["Role"] for f in template.of("AWS::Lambda::Function")]
    assert sorted(used) == sorted(r.arn for r in roles(template).values())
    assert len(set(used)) == len(used)


def test_no_role_brings_a_managed_policy_because_those_have_stars(template):
    assert [r.id for r in roles(template).values() if r.properties.get("ManagedPolicyArns")] == []


def test_only_lambda_may_take_a_function_s_role(template):
    for role in roles(template).values():
        (statement,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_no_role_allows_an_action_with_a_star(template):
    found = [
        (r.id, a) for r in roles(template).values() for s in statements(r) for a in as_list(s["Action"]) if "*" in a
    ]
    assert found == []


def test_no_role_allows_a_resource_with_a_star_that_was_not_reviewed(template):
    found = []
    for role in roles(template).values():
        for resource in (r for s in statements(role) for r in as_list(s["Resource"])):
            match = next((m for pattern in ALLOWED_STARS if (m := pattern.fullmatch(resource))), None)
            if (role.id, resource) == ACCOUNT_WIDE:
                continue
            if "*" in resource and match is None:
                found.append((role.id, resource))
            if match and match.groupdict().get("function", role.id.removesuffix("Role")) != role.id.removesuffix(
                "Role"
            ):
                found.append((role.id, resource))
    assert found == []


def test_what_is_allowed_on_every_resource_is_only_to_read_the_quota_of_mail(template):
    wide = [s for r in roles(template).values() for s in statements(r) if "*" in as_list(s["Resource"])]
    assert [as_list(s["Action"]) for s in wide] == [["ses:GetAccount"]]


def test_no_role_says_what_it_does_not_allow(template):
    for role in roles(template).values():
        for statement in statements(role):
            assert statement["Effect"] == "Allow"
            assert {"NotAction", "NotResource"}.isdisjoint(statement)


def test_a_function_writes_only_to_its_own_log_group_which_is_not_kept_for_ever(template):
    groups = {g.name: g for g in template.of("AWS::Logs::LogGroup")}
    for function in template.of("AWS::Lambda::Function"):
        group = groups.pop(function.properties["LoggingConfig"]["LogGroup"])
        assert group.id == function.id.removesuffix("Function") + "Logs"
        assert group.properties["RetentionInDays"] > 0
    assert groups == {}


def test_every_route_of_the_api_needs_a_token_except_health_and_what_is_signed(wiring):
    others = [r for r in wiring.routes if r.function not in (PAY_PAGE, CONSOLE)]
    assert {(r.method, r.path) for r in others if r.authorizer is None} == OPEN_ROUTES
    assert {r.authorizer for r in others if (r.method, r.path) not in OPEN_ROUTES} == {"Cognito"}


def test_the_customer_s_page_and_nothing_else_is_behind_a_link(wiring):
    pages = [r for r in wiring.routes if r.path.startswith("/pay/")]
    assert pages
    assert {(r.function, r.authorizer) for r in pages} == {(PAY_PAGE, None)}
    assert {r.path for r in wiring.routes if r.function == PAY_PAGE} == {r.path for r in pages}


def test_the_console_and_nothing_else_is_under_its_path(wiring):
    pages = [r for r in wiring.routes if r.path.split("/")[1] == "console"]
    assert {(r.method, r.path) for r in pages} == {
        ("GET", "/console"), ("GET", "/console/{path+}"), ("POST", "/console/{path+}"),
    }  # fmt: skip
    assert {r.function for r in pages} == {CONSOLE}
    assert {r.path for r in wiring.routes if r.function == CONSOLE} == {r.path for r in pages}


def test_the_console_may_do_what_the_api_may_whose_endpoints_it_calls_and_look_for_what_only_it_lists(wiring):
    def rights(name):
        logs = f"{name.removesuffix('Function')}Logs"
        granted = wiring.functions[name].grants
        return {(a, r) for g in granted for a in g.actions for r in g.resources if f"-{logs}:" not in r}

    more = rights(CONSOLE) - rights("AdminApiFunction")
    assert {(action, "/".join(resource.split("/")[-2:])) for action, resource in more} == {
        ("dynamodb:Query", "index/payments_unresolved"),
        ("dynamodb:Query", "index/rehearsals"),
        ("s3:GetObject", "reports/*"),
    }
    assert rights("AdminApiFunction") < rights(CONSOLE)


def test_people_sign_in_on_the_hosted_page_by_a_code_that_comes_back_to_the_console_alone(template):
    (client,) = template.of("AWS::Cognito::UserPoolClient")
    assert client.properties["AllowedOAuthFlows"] == ["code"]
    assert client.properties["CallbackURLs"] == ["https://billing.example.com/console/callback"]
    assert client.properties["LogoutURLs"] == ["https://billing.example.com/console"]
    assert not client.properties.get("GenerateSecret"), "PKCE instead of a secret"


def test_what_anybody_may_send_from_a_page_is_throttled_harder_than_the_rest(template):
    (stage,) = template.of("AWS::ApiGateway::Stage")
    rates = {(s["ResourcePath"], s["HttpMethod"]): s["ThrottlingRateLimit"] for s in stage.properties["MethodSettings"]}
    for path in ("/pay/{token}", "/pay/{token}/cards", "/pay/{token}/renew"):
        assert rates["/" + path.replace("/", "~1"), "POST"] < rates["/*", "*"]  # as API Gateway writes a path


def test_the_authorizer_is_the_user_pool_of_the_stack_which_nobody_can_sign_up_to(template):
    (api,) = template.of("AWS::ApiGateway::RestApi")
    (pool,) = template.of("AWS::Cognito::UserPool")
    scheme = api.properties["Body"]["components"]["securitySchemes"]["Cognito"]
    assert scheme["x-amazon-apigateway-authorizer"]["providerARNs"] == [pool.arn]
    assert pool.properties["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert {g.properties["GroupName"] for g in template.of("AWS::Cognito::UserPoolGroup")} == {
        "viewer",
        "operator",
        "admin",
    }


def test_the_authorizer_takes_id_tokens_and_the_function_knows_whose(template, wiring):
    (api,) = template.of("AWS::ApiGateway::RestApi")
    (pool,), (client,) = template.of("AWS::Cognito::UserPool"), template.of("AWS::Cognito::UserPoolClient")
    body = api.properties["Body"]
    assert body["components"]["securitySchemes"]["Cognito"]["x-amazon-apigateway-authtype"] == "cognito_user_pools"
    asked = [o["security"] for path in body["paths"].values() for o in path.values() if "security" in o]
    # With scopes it would take access tokens, which do not say whom they are for.
    assert all(scheme in ({"Cognito": []}, {"NONE": []}) for schemes in asked for scheme in schemes)
    function = wiring.functions["AdminApiFunction"]
    assert function.env["USERS_ISSUER"].endswith(f"/{pool.name}")
    assert function.env["USERS_ISSUER"].startswith("https://cognito-idp.eu-central-1.")
    assert function.env["USERS_CLIENT"] == client.name
    assert client.properties["WriteAttributes"] == ["name"]


def test_whatever_api_gateway_refuses_by_itself_is_a_problem_of_that_status(template):
    (api,) = template.of("AWS::ApiGateway::RestApi")
    said = api.properties["Body"]["x-amazon-apigateway-gateway-responses"]
    assert {"UNAUTHORIZED", "EXPIRED_TOKEN", "ACCESS_DENIED", "REQUEST_TOO_LARGE", "THROTTLED"} < set(said)
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} < set(said), "what is not named here is answered by the default"
    for name, response in said.items():
        problem = json.loads(response["responseTemplates"]["application/json"])
        assert problem["status"] == int(response["statusCode"]), name
        assert problem["title"] == HTTPStatus(problem["status"]).phrase or problem["status"] == 413, name
        assert set(problem) == {"type", "title", "status", "detail"}, name
        headers = response["responseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'", name
        assert ("gatewayresponse.header.WWW-Authenticate" in headers) == (problem["status"] == 401), name
        assert ("gatewayresponse.header.Retry-After" in headers) == (problem["status"] in (429, 503)), name


def test_requests_are_traced_by_the_api_and_no_role_needs_a_right_for_it(template):
    (stage,) = template.of("AWS::ApiGateway::Stage")
    assert stage.properties["TracingEnabled"] is True
    assert not [use for role in template.of("AWS::IAM::Role") if "xray:" in (use := str(role.properties))]


def test_every_route_is_throttled(template):
    (stage,) = template.of("AWS::ApiGateway::Stage")
    every, *some = stage.properties["MethodSettings"]
    assert (every["ResourcePath"], every["HttpMethod"]) == ("/*", "*")
    assert all(0 < s["ThrottlingRateLimit"] <= s["ThrottlingBurstLimit"] for s in (every, *some))


def test_only_this_api_may_invoke_the_functions_behind_it_and_one_of_them_only_by_its_one_route(template):
    (api,) = template.of("AWS::ApiGateway::RestApi")
    granted = [p.properties for p in template.of("AWS::Lambda::Permission")]
    by_gateway = [p for p in granted if p["Principal"] == "apigateway.amazonaws.com"]
    sources = {p["FunctionName"].rpartition("-")[2]: p["SourceArn"].split(":")[-1] for p in by_gateway}
    assert sources == {
        "AdminApiFunction": f"{api.name}/live/*",
        "AutopayWebhookFunction": f"{api.name}/live/POST/webhooks/gateway",
        PAY_PAGE: f"{api.name}/live/*/pay/*",
        CONSOLE: f"{api.name}/live/*/console*",
    }
    assert len(sources) == len(by_gateway)
    by_rules = [p for p in granted if p["Principal"] == "events.amazonaws.com"]
    assert {p["SourceArn"] for p in by_rules} == {r.arn for r in template.of("AWS::Events::Rule")}
    assert len(granted) == len(by_gateway) + len(by_rules)


def test_tables_are_encrypted_recoverable_and_cannot_be_deleted(template):
    for table in template.of("AWS::DynamoDB::Table"):
        assert table.properties["SSESpecification"] == {"SSEEnabled": True}
        assert table.properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table.properties["DeletionProtectionEnabled"] is True
        assert table.properties["BillingMode"] == "PAY_PER_REQUEST"


@pytest.mark.parametrize(
    "kind",
    ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Cognito::UserPool", "AWS::SecretsManager::Secret"],
)
def test_what_holds_data_outlives_the_stack(template, kind):
    for resource in template.of(kind):
        assert resource.attributes["DeletionPolicy"] == "Retain"
        assert resource.attributes["UpdateReplacePolicy"] == "Retain"


def test_the_bucket_is_private_encrypted_and_keeps_versions(template):
    (bucket,) = template.of("AWS::S3::Bucket")
    assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket.properties["PublicAccessBlockConfiguration"]) == 4
    assert bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert bucket.properties["VersioningConfiguration"] == {"Status": "Enabled"}


@pytest.mark.parametrize(("folder", "kept"), [("rehearsals/", RESULT_KEPT), ("reports/", A_WEEK)])
def test_what_says_something_of_customers_beside_their_own_records_is_not_kept_for_ever(template, folder, kept):
    (bucket,) = template.of("AWS::S3::Bucket")
    [rule] = [r for r in bucket.properties["LifecycleConfiguration"]["Rules"] if r.get("Prefix") == folder]
    assert (rule["Status"], timedelta(days=rule["ExpirationInDays"])) == ("Enabled", kept)
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


def denies_plain_http(document):
    return any(
        s["Effect"] == "Deny" and s["Principal"] == "*" and s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for s in document["Statement"]
    )


def test_bucket_queues_and_topics_are_reached_over_tls_only(template):
    (bucket,) = template.of("AWS::S3::BucketPolicy")
    assert denies_plain_http(bucket.properties["PolicyDocument"])
    covered = []
    for policy in template.of("AWS::SQS::QueuePolicy"):
        assert denies_plain_http(policy.properties["PolicyDocument"])
        covered += policy.properties["Queues"]
    urls = [f"https://sqs.eu-central-1.amazonaws.com/123456789012/{q.name}" for q in template.of("AWS::SQS::Queue")]
    assert sorted(covered) == sorted(urls)  # each in exactly one policy: a second one would replace the first
    topics = []
    for policy in template.of("AWS::SNS::TopicPolicy"):
        assert denies_plain_http(policy.properties["PolicyDocument"])
        topics += policy.properties["Topics"]
    assert sorted(topics) == sorted(t.arn for t in template.of("AWS::SNS::Topic"))


def test_queues_and_topics_are_encrypted(template):
    assert all(q.properties["SqsManagedSseEnabled"] is True for q in template.of("AWS::SQS::Queue"))
    keys = {k.name for k in template.of("AWS::KMS::Key")}
    assert {t.properties["KmsMasterKeyId"] for t in template.of("AWS::SNS::Topic")} <= keys
    assert all(k.properties["EnableKeyRotation"] is True for k in template.of("AWS::KMS::Key"))


def test_services_reach_queues_and_topics_only_from_this_account_or_a_named_source(template):
    policies = [*template.of("AWS::SQS::QueuePolicy"), *template.of("AWS::SNS::TopicPolicy")]
    allowed = [s for p in policies for s in p.properties["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    assert allowed
    for statement in allowed:
        assert set(statement["Principal"]) == {"Service"}
        conditions = {key for test in statement["Condition"].values() for key in test}
        assert conditions & {"aws:SourceArn", "aws:SourceAccount"}


def test_mail_leaves_over_tls_only(template):
    (settings,) = template.of("AWS::SES::ConfigurationSet")
    assert settings.properties["DeliveryOptions"] == {"TlsPolicy": "REQUIRE"}


def test_secrets_are_parameters_that_are_not_shown_and_no_function_has_one_in_its_environment(template):
    (secret,) = template.of("AWS::SecretsManager::Secret")
    for function in template.of("AWS::Lambda::Function"):
        given = function.properties["Environment"]["Variables"]
        assert not [name for name in given if re.search("KEY|PASSWORD|TOKEN", name)]
        assert given.get("GATEWAY_SECRET", secret.arn) == secret.arn  # where it is, not what it is

"""The template says the same as the code: tables and indexes, handlers, environment, routes."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from infra.wiring import TEMPLATE
from shared.config import Config
from shared.ports import QueueName
from shared.queue_batches import RECEIVES_MAX
from shared.storage.schema import KINDS, TABLES
from shared.use_cases.dead_letters import ATTEMPTS, QUEUES

READ_BY_POWERTOOLS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"}
SET_BY_LAMBDA = {"AWS_REGION", "AWS_DEFAULT_REGION"}
ONLY_FOR_SOME = {"FEEDBACK_QUEUE_URL", *(f"{name.upper()}_DLQ_URL" for name in QUEUES)} | {
    "USERS_ISSUER",
    "USERS_CLIENT",
    "USERS_DOMAIN",
    "GATEWAY_SECRET",
    "MAIL_CONFIGURATION_SET",
    "MAIL_SENDERS",
}


def key(prefix):
    return [{"AttributeName": f"{prefix}pk", "KeyType": "HASH"}, {"AttributeName": f"{prefix}sk", "KeyType": "RANGE"}]


def test_the_tables_are_those_of_the_schema(wiring):
    assert {t.id for t in wiring.tables.values()} == {f"{name.capitalize()}Table" for name in TABLES}
    assert {kind.table for kind in KINDS} <= set(TABLES)


def test_the_indexes_of_each_table_are_those_of_the_schema(wiring):
    for name in TABLES:
        expected = [rule.index.name for kind in KINDS if kind.table == name for rule in kind.indexes]
        (table,) = (t for t in wiring.tables.values() if t.id == f"{name.capitalize()}Table")
        assert sorted(table.indexes) == sorted(expected), name


def test_keys_are_named_as_the_schema_says_and_indexes_hold_keys_only(wiring):
    for table in wiring.tables.values():
        assert table.definition["KeySchema"] == key("")
        for index in table.definition.get("GlobalSecondaryIndexes", ()):
            assert index["KeySchema"] == key(f"{index['IndexName']}_")
            assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_every_key_attribute_is_declared_once_as_a_string(wiring):
    for table in wiring.tables.values():
        used = {"pk", "sk"} | {f"{index}_{part}" for index in table.indexes for part in ("pk", "sk")}
        declared = [(a["AttributeName"], a["AttributeType"]) for a in table.definition["AttributeDefinitions"]]
        assert sorted(declared) == sorted((name, "S") for name in used)


def test_what_may_be_forgotten_expires(wiring):
    assert {t.ttl_attribute for t in wiring.tables.values()} == {"expires"}


# ---- handlers ------------------------------------------------------------------------------------------------


def handlers_in_the_code():
    root = Path(__file__).parents[2]
    files = [p for p in (root / "functions").rglob("*.py") if re.search(r"^def lambda_handler\b", p.read_text(), re.M)]
    return {".".join(p.relative_to(root).with_suffix("").parts) for p in files}


def test_every_handler_of_the_template_exists_and_every_handler_of_the_code_is_in_the_template(wiring):
    named = {f.handler.removesuffix(".lambda_handler") for f in wiring.functions.values()}
    assert named == handlers_in_the_code()


def test_every_handler_can_be_imported_without_any_environment(wiring, monkeypatch):
    for name in set(wiring.functions["AdminApiFunction"].env) - READ_BY_POWERTOOLS:
        monkeypatch.delenv(name, raising=False)
    for function in wiring.functions.values():
        module, _, name = function.handler.rpartition(".")
        handler = getattr(importlib.import_module(module), name)
        assert list(inspect.signature(handler).parameters) == ["event", "context"], function.id


def test_the_routes_of_the_template_are_those_of_the_api(wiring):
    importlib.import_module("functions.admin_api.app")
    endpoints = importlib.import_module("functions.admin_api.routing").ENDPOINTS
    answered = {(e.method, re.sub(r"<\w+>", "{}", e.path)): e.public for e in endpoints}
    routes = [r for r in wiring.routes if r.function == "AdminApiFunction"]
    named = {(r.method, re.sub(r"\{\w+\}", "{}", r.path)): r.authorizer is None for r in routes}
    assert named == answered
    pages = {(r.method, r.path) for r in wiring.routes if r.function == "PayPageFunction"}
    assert pages == importlib.import_module("functions.pay_page.app").ROUTES
    console = {(r.method, r.path) for r in wiring.routes if r.function == "ConsoleFunction"}
    assert console == importlib.import_module("functions.console.app").ROUTES
    ours = {"AdminApiFunction", "PayPageFunction", "ConsoleFunction"}
    others = {(r.method, r.path, r.function) for r in wiring.routes if r.function not in ours}
    assert others == {("POST", "/webhooks/gateway", "AutopayWebhookFunction")}


def test_only_the_function_that_renders_carries_the_typesetter(wiring):
    carrying = {f.id for f in wiring.functions.values() if any("DocumentsLayer" in layer for layer in f.layers)}
    assert carrying == {"RenderPdfFunction"}
    assert all(any("CoreLayer" in layer for layer in f.layers) for f in wiring.functions.values())


# ---- environment ---------------------------------------------------------------------------------------------


class Recorder(Mapping[str, str]):
    """An environment in which everything has a value, and that remembers what was asked for."""

    def __init__(self):
        self.asked = set()

    def __getitem__(self, name):
        self.asked.add(name)
        return "2" if name == "MAIL_SENDERS" else "simulated"

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0


def read_by_config():
    recorder = Recorder()
    config = Config(recorder)
    for name in TABLES:
        config.table(name)
    for name in (*get_args(QueueName), "feedback"):
        config.queue_url(name)
    for name in QUEUES:
        config.dlq_url(name)
    for name, member in inspect.getmembers(Config):
        if isinstance(member, property):
            getattr(config, name)
    return recorder.asked


def test_every_function_is_given_what_the_configuration_reads_and_nothing_else(wiring):
    asked = read_by_config() - SET_BY_LAMBDA
    for function in wiring.functions.values():
        given = set(function.env) - READ_BY_POWERTOOLS
        assert given <= asked, function.id
        assert asked - ONLY_FOR_SOME <= given, function.id


def test_the_api_knows_every_dead_letter_queue_and_how_often_a_message_is_tried(wiring):
    dead = {q.label: q for q in wiring.queues.values() if q.dlq is None}
    assert set(dead) == {f"{name}_dlq" for name in QUEUES}
    env = wiring.functions["AdminApiFunction"].env
    assert {label: env[f"{label.upper()}_URL"] for label in dead} == {label: q.url for label, q in dead.items()}
    assert wiring.queue_by_url(env["FEEDBACK_QUEUE_URL"]).label == "feedback"
    assert {q.max_receives for q in wiring.queues.values() if q.dlq} == {RECEIVES_MAX} == {ATTEMPTS}


def test_the_gateway_s_secret_is_named_to_those_who_may_read_it(wiring, template):
    (secret,) = template.of("AWS::SecretsManager::Secret")
    for function in wiring.functions.values():
        assert function.may("secretsmanager:GetSecretValue", secret.arn) == ("GATEWAY_SECRET" in function.env)


def test_environment_names_lead_to_the_resources_they_are_named_for(wiring):
    for function in wiring.functions.values():
        for name in TABLES:
            assert wiring.tables[function.env[f"{name.upper()}_TABLE"]].id == f"{name.capitalize()}Table"
        for name in get_args(QueueName):
            assert wiring.queue_by_url(function.env[f"{name.upper()}_QUEUE_URL"]).label == name


def test_the_template_stands_at_the_root():
    assert Path(__file__).parents[2] / "template.yaml" == TEMPLATE

"""Configuration: read when it is asked for, and whoever forgot a variable is told which."""

from __future__ import annotations

import pytest

from shared.config import Config, Misconfigured


def test_nothing_is_read_until_it_is_asked_for():
    Config({})


def test_values_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("ACCOUNTS_TABLE", "paidup-accounts")
    monkeypatch.setenv("BILL_RUN_QUEUE_URL", "https://queue.example/bill-run")
    monkeypatch.setenv("GATEWAY", "simulated")
    config = Config()
    assert config.table("accounts") == "paidup-accounts"
    assert config.queue_url("bill_run") == "https://queue.example/bill-run"
    assert config.gateway == "simulated"


ASKED = {
    "USAGE_TABLE": lambda config: config.table("usage"),
    "NOTICE_QUEUE_URL": lambda config: config.queue_url("notice"),
    "FILES_BUCKET": lambda config: config.files_bucket,
    "EVENT_BUS": lambda config: config.event_bus,
    "PAY_BASE_URL": lambda config: config.pay_base_url,
    "GATEWAY": lambda config: config.gateway,
    "AWS_DEFAULT_REGION": lambda config: config.region,
}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("environ", ["absent", "empty"])
def test_what_is_missing_is_named(name: str, environ: str):
    with pytest.raises(Misconfigured, match=rf"variable {name} is not set"):
        ASKED[name](Config({} if environ == "absent" else {name: ""}))


def test_a_gateway_nobody_knows_is_refused():
    with pytest.raises(Misconfigured, match="GATEWAY is 'paypal'"):
        _ = Config({"GATEWAY": "paypal"}).gateway


def test_the_pay_page_has_no_slash_at_its_end():
    assert Config({"PAY_BASE_URL": "https://pay.example/"}).pay_base_url == "https://pay.example"


def test_lambda_says_its_region_first():
    assert Config({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}).region == "eu-west-1"


@pytest.mark.parametrize(("stage", "local"), [({}, False), ({"STAGE": "local"}, True), ({"STAGE": "Local"}, False)])
def test_only_the_local_stage_is_local(stage, local):
    assert Config(stage).local is local


def test_its_text_shows_no_secret_of_the_environment():
    assert "hidden" not in repr(Config({"SECRET": "hidden"}))

"""The seller in the settings: how its documents look, how it is paid, and in which language it speaks."""

from __future__ import annotations

import base64

import pytest

from tests.pictures import JPEG, SVG, png

GERMAN = {
    "name": "Nordwind GmbH", "tax_id": "DE123456789", "iban": "DE89 3704 0044 0532 0130 00", "bic": "COBADEFFXXX",
    "address": {"line1": "Hafenstraße 12", "city": "Hamburg", "postal_code": "20457", "country": "DE"},
    "payment_instructions": ["Ohne Abzug."], "language": "de", "accent_colour": "#1F3A8A",
}  # fmt: skip


def patch(api, **business):
    return api.patch("/v1/settings", {"business": business})


def base(content):
    return base64.b64encode(content).decode()


def test_the_seller_is_kept_as_it_was_given(api):
    shown = patch(api, **GERMAN).json["business"]
    assert shown["iban"] == "DE89370400440532013000"
    assert shown["accent_colour"] == "#1f3a8a"
    assert shown["address"] == {**GERMAN["address"], "line2": "", "region": ""}
    assert (shown["language"], shown["payment_instructions"]) == ("de", ["Ohne Abzug."])
    assert api.get("/v1/settings").json["business"] == shown


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("iban", "DE89370400440532013001"), ("iban", "nonsense"), ("iban", 5), ("bic", "X"), ("language", "fr"),
        ("language", "xx"), ("accent_colour", "red"), ("accent_colour", "#777777"), ("accent_colour", "#ffffff"),
        ("accent_colour", "#12345"), ("tax_id", ""), ("tax_id", "a\nb"), ("e_invoice", "on"), ("logo", 5),
        ("payment_instructions", ["x"] * 7), ("payment_instructions", "x"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(api, field, value):
    (named,) = patch(api, **{field: value}).fields
    assert named.startswith(f"business.{field}")


def test_the_darkest_grey_that_is_too_light_and_the_lightest_that_is_not(api):
    assert patch(api, accent_colour="#767676").status == 200  # 4.54 : 1
    assert patch(api, accent_colour="#777777").fields == ["business.accent_colour"]  # 4.48 : 1


@pytest.mark.parametrize(("content", "end"), [(png(), ".png"), (JPEG, ".jpg"), (SVG, ".svg")])
def test_a_logo_is_kept_in_files_and_named_by_its_digest(api, content, end):
    shown = patch(api, logo=base(content)).json["business"]["logo"]
    assert shown.startswith("logos/")
    assert shown.endswith(end)
    assert api.ports.files.read(shown) == content


def test_the_settings_as_read_can_be_sent_back_and_null_takes_the_logo_away(api):
    tree = patch(api, logo="data:image/png;base64," + base(png())).json["business"]
    assert api.patch("/v1/settings", {"business": tree}).json["business"] == tree
    assert patch(api, logo=None).json["business"]["logo"] is None


@pytest.mark.parametrize(
    "value", ["", "!!!", "aGVsbG8=", base(b"GIF89a"), base(png()[:60]), base(b"\0" * 200_001), "A" * 3_000_000]
)
def test_a_logo_that_is_no_image_is_refused_and_nothing_is_kept(api, value):
    assert patch(api, logo=value).fields == ["business.logo"]
    assert api.ports.files.kept == {}


def test_a_logo_that_nobody_gave_is_refused(api):
    assert patch(api, logo=f"logos/{'0' * 64}.png").fields == ["business.logo"]


def test_a_dry_run_keeps_nothing(api):
    assert api.patch("/v1/settings?dry_run=true", {"business": {"logo": base(png())}}).status == 200
    assert api.ports.files.kept == {}
    assert api.patch("/v1/settings?dry_run=true", {"business": {"logo": "AAAA"}}).fields == ["business.logo"]


def test_e_invoices_need_to_know_who_sells(api):
    missing = ["business.address.line1", "business.address.city", "business.address.postal_code",
               "business.address.country", "business.tax_id"]  # fmt: skip
    assert patch(api, e_invoice="factur_x").fields == missing
    assert patch(api, **GERMAN, e_invoice="factur_x").status == 200
    assert patch(api, tax_id=None).fields == ["business.tax_id"]
    assert patch(api, address={"country": "Germany"}).fields == ["business.address.country"]
    assert patch(api, tax_id=None, e_invoice="off").status == 200


def test_a_customer_may_have_a_language_of_its_own(api):
    api.customer()
    assert api.get("/v1/customers/cus_acme").json["language"] is None
    assert api.patch("/v1/customers/cus_acme", {"language": "de"}).json["language"] == "de"
    assert api.patch("/v1/customers/cus_acme", {"language": "tlh"}).fields == ["language"]
    assert api.patch("/v1/customers/cus_acme", {"language": None}).json["language"] is None

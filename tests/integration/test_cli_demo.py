"""`paidup demo`: the sample company, what is played, and the report it leaves."""

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from infra.cli.demo import play
from infra.cli.main import main
from infra.demo import play as playing
from infra.demo.charts import round_steps
from infra.demo.company import sample_company, usage_days
from infra.demo.figures import World, bucket, figures_of
from infra.demo.report import write_report

CUSTOMERS = 12


@pytest.fixture(scope="module")
def material():
    """Six weeks of a small company."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing, "END_ON", date(2026, 2, 12))
        return play(sample_company(seed=3, customers=CUSTOMERS), "memory", Console(quiet=True))


@pytest.fixture(scope="module")
def folder(material, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(material, folder)
    return folder


# ---- the company ------------------------------------------------------------------------------------------------


def test_the_same_seed_is_the_same_company_and_another_is_another():
    assert sample_company(7, 50) == sample_company(7, 50)
    assert sample_company(7, 50) != sample_company(8, 50)


def test_the_sample_company_has_every_kind_of_customer():
    clients = sample_company().clients
    assert len({c.customer["name"] for c in clients}) == 200
    assert {c.customer["currency"] for c in clients} == {"USD", "EUR", "GBP"}
    assert {c.habit for c in clients} == {"card", "transfer", "never"}
    assert any("print" in c.customer["delivery"] for c in clients)
    assert any(c.contract["charges"][0]["interval"] == "year" for c in clients)
    assert any(o.startswith("declined") for c in clients for o in c.outcomes)
    assert any(c.pays_after_days > 14 for c in clients)
    assert any(c.disputes is not None for c in clients)
    assert any(list(usage_days(c)) for c in clients)


def test_nobody_in_it_could_be_reached():
    emails = [c.customer["email"] for c in sample_company().clients if c.customer["email"]]
    assert all(email.endswith(".example") for email in emails)


# ---- the play ---------------------------------------------------------------------------------------------------


def test_what_was_invoiced_was_collected_credited_or_is_open(material):
    for money in material.figures().money:
        came_in = money.carried_minor + money.invoiced_minor - money.credited_minor
        assert came_in == money.collected_minor + money.open_minor
        assert sum(money.ageing.values()) == money.open_minor
        assert money.weeks[-1].owed_minor == money.open_minor


def test_everything_runs_by_itself_and_nothing_is_left_behind(material):
    figures = material.figures()
    assert material.runs.bill == material.runs.payment == 42
    assert figures.posted > CUSTOMERS
    assert figures.drafts == 0  # what the gate held was reviewed
    assert figures.charges["succeeded"] > 0
    assert figures.notices["invoice"] > 0
    assert figures.mailed == len(material.mails)


@pytest.mark.slow
def test_the_same_company_played_again_comes_to_the_same(material):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing, "END_ON", date(2026, 2, 12))
        again = play(sample_company(seed=3, customers=CUSTOMERS), "memory", Console(quiet=True))
    assert again.figures() == material.figures()
    assert again.mails == material.mails


# ---- the report -------------------------------------------------------------------------------------------------


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("href", "src") and value]


def test_every_link_of_the_report_leads_to_a_file_in_it(folder):
    pages = list(folder.rglob("*.html"))
    assert {p.name for p in pages} >= {"index.html", "invoices.html", "mails.html"}
    for page in pages:
        for link in Links(page.read_text("utf-8")).found:
            assert "://" not in link
            assert (page.parent / link).resolve().is_relative_to(folder.resolve())
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


def test_the_report_has_invoices_as_pdf_and_mails_as_pages(folder):
    documents = list((folder / "pdf").glob("*.pdf"))
    assert documents
    assert all(d.read_bytes().startswith(b"%PDF-") for d in documents)
    mail = next((folder / "mails").glob("*.html")).read_text("utf-8")
    assert "srcdoc=" in mail
    assert "accounts@" in mail


def test_the_report_shows_every_currency_and_loads_no_script(folder):
    index = (folder / "index.html").read_text("utf-8")
    style = (folder / "style.css").read_text("utf-8")
    for currency in re.findall(r'data-currency="(\w+)"', index):
        assert f"#show-{currency}:checked" in style
    assert "<script" not in index
    assert index.count("<svg") > 4


def test_names_from_the_world_cannot_break_a_page(material, tmp_path):
    customers = [{**c, "name": "<b>x</b>&\"'"} for c in material.world.customers]
    mails = [{**m, "subject": "<i>y</i>", "html": '"><script>z</script>'} for m in material.mails]
    write_report(replace(material, world=replace(material.world, customers=customers), mails=mails), tmp_path)
    for page in tmp_path.rglob("*.html"):
        text = page.read_text("utf-8")
        assert not re.search(r"<b>x|<i>y|<script", text)


def test_a_world_in_which_nothing_happened_has_a_report_too(material, tmp_path):
    empty = World(date(2026, 1, 1), date(2026, 2, 1), "UTC", [], [], [], [])
    assert write_report(replace(material, world=empty, mails=[], pdfs={}), tmp_path).is_file()
    assert figures_of(empty).on_time_percent is None


def test_an_invoice_is_current_on_its_due_date_and_ages_from_the_day_after():
    due = date(2026, 1, 31)
    ages = {date(2026, 1, 31): "current", date(2026, 2, 1): "1–30", date(2026, 3, 2): "1–30", date(2026, 3, 3): "31–60"}
    assert {on: bucket(due, on) for on in ages} == ages  # 2 March is 30 days after 31 January
    assert bucket(due, date(2026, 6, 1)) == "over 90"


@pytest.mark.parametrize("largest", [0, 1, 3, 9, 10, 99, 101, 12_345, 10**12])
def test_an_axis_has_few_round_steps_and_reaches_the_largest_value(largest):
    steps = round_steps(largest)
    assert steps[0] == 0
    assert steps[-1] >= largest
    assert len(steps) <= 6


# ---- the command ------------------------------------------------------------------------------------------------


def test_the_command_prints_a_summary_and_names_the_report(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(playing, "END_ON", date(2026, 1, 8))
    assert main(["demo", "--out", str(tmp_path / "report"), "--customers", "4", "--seed", "2"]) == 0
    told = capsys.readouterr().out
    for word in ("invoiced", "collected", "open", "not yet due", "over 90 days past due", "mails sent", "4 customers"):
        assert word in told
    assert Path(tmp_path / "report" / "index.html").is_file()
    assert "index.html" in told


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_played(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "--out", str(tmp_path / "file" / "report")]) == 1
    assert "cannot be made" in capsys.readouterr().err

"""`paidup cron` and the exit codes that every command shares. API.md "Command line"."""

import json

import pytest

from infra.cli.main import main


def fires(capsys, *arguments):
    assert main(["cron", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments):
    assert main(list(arguments)) == 1
    told = capsys.readouterr()
    assert not told.out
    return told.err


def test_the_next_fire_times_are_instants_in_utc(capsys):
    assert fires(
        capsys, "0 8 1 * *", "--timezone", "Europe/Berlin", "--after", "2026-02-10T00:00:00Z", "--count", "3"
    ) == ["2026-03-01T07:00:00Z", "2026-04-01T06:00:00Z", "2026-05-01T06:00:00Z"]  # fmt: skip


def test_a_fire_time_is_after_the_instant_that_was_given(capsys):
    assert fires(capsys, "0 8 * * *", "--after", "2026-02-10T08:00:00Z", "--count", "1") == ["2026-02-11T08:00:00Z"]


def test_a_skipped_time_fires_after_the_gap_and_a_repeated_one_once(capsys):
    assert fires(
        capsys, "30 2 * * *", "--timezone", "Europe/Berlin", "--after", "2026-03-28T12:00:00Z", "--count", "2"
    ) == ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]  # 02:30 does not exist on the 29th
    assert fires(
        capsys, "30 2 * * *", "--timezone", "Europe/Berlin", "--after", "2026-10-24T12:00:00Z", "--count", "2"
    ) == ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]  # 02:30 comes twice on the 25th


def test_words_name_the_day_and_both_clocks(capsys):
    assert main(["cron", "0 8 1 * *", "--timezone", "Europe/Berlin", "--after", "2026-02-10T00:00:00Z"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "0 8 1 * * in Europe/Berlin, after Tuesday 10 February 2026, 01:00 CET (00:00 UTC):"
    assert lines[1] == "  Sunday 1 March 2026, 08:00 CET (07:00 UTC)"
    assert len(lines) == 6


def test_words_name_the_date_in_utc_where_it_is_another(capsys):
    assert main(["cron", "0 0 1 1 *", "--timezone", "Asia/Kathmandu", "--after", "2026-02-10T00:00:00Z"]) == 0
    assert "Friday 1 January 2027, 00:00 +0545 (31 December 18:15 UTC)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "expression",
    ["0 8 32 * *", "0 8 1 * * *", "0 8 1 * ?", "@daily", "", "0 0 30 2 *", "-1 * * * *", "a b c d e", "0\x00 8 1 * *"],
)
def test_an_expression_that_is_wrong_or_never_fires_is_refused(capsys, expression):
    assert refused(capsys, "cron", expression).startswith("paidup: ")


def test_an_unknown_time_zone_is_refused(capsys):
    assert "'Mars/Olympus' is not an IANA time zone" in refused(
        capsys, "cron", "0 8 * * *", "--timezone", "Mars/Olympus"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["nonsense"],
        ["cron"],
        ["cron", "0 8 * * *", "--count", "0"],
        ["cron", "0 8 * * *", "--count", "x"],
        ["cron", "0 8 * * *", "--after", "2026-02-10"],
        ["cron", "0 8 * * *", "--after", "2026-02-10T08:00:00"],
        ["import", "nothing", "file.csv"],
        ["import", "customers", "file.csv", "--map", "no-equals-sign"],
        ["serve", "--port", "70000"],
        ["serve", "--backend", "oracle"],
        ["demo", "--customers", "0"],
        ["seed-settings", "--on", "everything"],
    ],
)
def test_wrong_usage_ends_with_2(capsys, wrong):
    with pytest.raises(SystemExit) as ended:
        main(wrong)
    assert ended.value.code == 2
    assert "usage: paidup" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", "demo", "serve", "import", "cron", "seed-settings"])
def test_every_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: paidup")

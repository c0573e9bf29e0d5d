"""`paidup demo`: three months of a sample company, played in under half a minute."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from time import perf_counter
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.cli.client import LocalApi
from infra.cli.outcome import Refused, Subparsers, whole
from infra.demo.company import CUSTOMERS_DEFAULT, CUSTOMERS_MAX, SEED_DEFAULT, START_ON, Company, sample_company
from infra.demo.figures import Figures, Money
from infra.demo.play import Player
from infra.demo.report import Material, amount, kind, write_report

OUT_DEFAULT: Final = "demo-report"
BACKENDS: Final = ("memory", "moto")
HOURLY: Final = timedelta(hours=1)
SEED_MAX: Final = 999_999_999


def add_to(commands: Subparsers) -> None:
    demo = commands.add_parser(
        "demo",
        help="play three months of a sample company and write a report",
        description="Play three months of a sample company, generated from a seed, on this machine alone; print what "
        "they came to, and write a report with charts, invoices and mails.",
    )
    demo.add_argument("--out", type=Path, default=Path(OUT_DEFAULT), metavar="DIR", help=f"default: {OUT_DEFAULT}")
    demo.add_argument("--seed", type=whole(0, SEED_MAX), default=SEED_DEFAULT, metavar="N", help="another company")
    demo.add_argument(
        "--customers", type=whole(1, CUSTOMERS_MAX), default=CUSTOMERS_DEFAULT, metavar="N",
        help=f"1 to {CUSTOMERS_MAX} (default: {CUSTOMERS_DEFAULT})",
    )  # fmt: skip
    demo.add_argument(
        "--backend", choices=BACKENDS, default=BACKENDS[0],
        help="memory (default), or moto, which takes very much longer: try --customers 2",
    )  # fmt: skip
    demo.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    console, started = Console(), perf_counter()
    _check_folder(arguments.out)  # before half a minute of work
    company = sample_company(arguments.seed, arguments.customers)
    material = play(company, arguments.backend, console)
    try:
        page = write_report(material, arguments.out)
    except OSError as wrong:
        raise Refused(f"the report cannot be written to {arguments.out}: {wrong.strerror}") from None
    show(material.figures(), material, console)
    console.print(f"\n{perf_counter() - started:.1f} s. The report: {page}", highlight=False, soft_wrap=True)


def play(company: Company, backend: str, console: Console) -> Material:
    from infra.local.app import LocalClient  # here, so that the other commands start without the local cloud
    from infra.local.cloud import LocalCloud

    columns = (TextColumn("{task.description:<26}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    start = datetime.combine(START_ON, time.min, UTC)
    bar = Progress(*columns, console=console, transient=True)
    every = HOURLY if backend == "moto" else None  # there a tick that finds nothing to do takes 20 ms
    with LocalCloud("moto" if backend == "moto" else "memory", start, every=every) as cloud, bar:
        task = bar.add_task("")
        player = Player(
            company, LocalApi(LocalClient(cloud)), cloud.ports.store,
            lambda what, done: bar.update(task, description=what, advance=done),
        )  # fmt: skip
        bar.update(task, total=player.steps())
        try:
            player.play()
            bar.update(task, description="Reading it all back")
            material = player.material()
        except Refused as refused:
            why = [failure.text for failure in cloud.engine.invoker.failures][-1:]
            raise Refused("\n".join([str(refused), *why])) from None
        failed = len(cloud.engine.invoker.failures)
    if failed:  # it was tried again and healed, or is among the dead letters: either way somebody should know
        console.print(f"{failed} invocations failed on the way.", style="red")
    return material


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as wrong:
        raise Refused(f"{folder} cannot be made: {wrong.strerror}") from None


# ---- the summary --------------------------------------------------------------------------------------------------


def show(figures: Figures, material: Material, console: Console) -> None:
    console.print(_money_table(figures, material.company))
    console.print(_counts(figures))
    notices = ", ".join(f"{kind(name)} {count}" for name, count in figures.notices.items())
    console.print(f"Mails: {notices or 'none'}.", highlight=False)


def _money_table(figures: Figures, company: str) -> Table:
    table = Table(title=f"{company}: {figures.since} to {figures.until}", title_justify="left")
    table.add_column("")
    for money in figures.money:
        table.add_column(money.currency, justify="right")
    rows: list[tuple[str, list[int]]] = [
        ("carried over", [m.carried_minor for m in figures.money]),
        ("invoiced", [m.invoiced_minor for m in figures.money]),
        ("credited", [m.credited_minor for m in figures.money]),
        ("collected", [m.collected_minor for m in figures.money]),
        ("  of it by card", [m.by_card_minor for m in figures.money]),
        ("open", [m.open_minor for m in figures.money]),
        *_ageing(figures.money),
    ]
    for words, amounts in rows:
        cells = (amount(value, money.currency) for value, money in zip(amounts, figures.money, strict=True))
        table.add_row(words, *cells, end_section=words in ("  of it by card", "open"))
    return table


def _ageing(money: tuple[Money, ...]) -> list[tuple[str, list[int]]]:
    labels = list(money[0].ageing) if money else []
    words = {label: "  not yet due" if label == "current" else f"  {label} days past due" for label in labels}
    return [(words[label], [m.ageing[label] for m in money]) for label in labels]


def _counts(figures: Figures) -> str:
    charges = figures.charges
    return (
        f"{figures.customers} customers, {figures.posted} invoices posted ({figures.flagged} flagged for review), "
        f"{figures.paid} paid, {figures.overdue} overdue; {figures.mailed} mails sent; "
        f"{charges.get('succeeded', 0)} cards charged, {charges.get('declined', 0)} declined."
    )

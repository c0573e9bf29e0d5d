"""djaodjin-saas's part of `make peers`: two subscriptions each renewed, charged together and settled.

Runs in the peers' environment, in one process, on SQLite in memory, with the package's own renewal functions and its
fake payment processor. Included: the order of each renewal, the charge, the ledger's entries when it has succeeded, of
processor and provider too. Not included: PDF, mail, retries, a payment processor.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from time import process_time
from typing import Any

import django
from django.conf import settings

BROKER = "broker"
PLANS = (("support", 24_995), ("backup", 1_000))


def configure() -> None:
    settings.configure(
        BASE_DIR=f"/{BROKER}", SECRET_KEY="only a benchmark", USE_TZ=True, ROOT_URLCONF=__name__,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[
            "django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "django_countries",
            "phonenumber_field", "rest_framework", "saas",
        ],
        MIGRATION_MODULES={"saas": None},
        SAAS={
            "BROKER": {"GET_INSTANCE": BROKER},
            "PROCESSOR": {"BACKEND": "gateway.Gateway", "INSTANCE_PK": 1},
        },
    )  # fmt: skip
    django.setup()


urlpatterns: list[Any] = []


def report(figure: str, value: float) -> None:
    print(json.dumps({"benchmark": "djaodjin", "figure": figure, "value": round(value, 3)}), flush=True)


def set_up(customers: int, now: dt.datetime) -> None:
    from saas.models import Organization, Plan, Subscription

    contact = {"country": "US", "email": "ap@example.com"}
    (processor,) = Organization.objects.bulk_create([  # which is its own processor, and so cannot be saved alone
        Organization(pk=1, slug="processor", full_name="Processor", processor_id=1, **contact)
    ])  # fmt: skip
    broker = Organization.objects.create(
        slug=BROKER, full_name="Provider", is_provider=True, processor=processor, **contact
    )  # fmt: skip
    plans = [
        Plan.objects.create(
            slug=slug, title=slug, organization=broker, period_amount=amount, period_type=Plan.MONTHLY, is_active=True,
            renewal_type=Plan.AUTO_RENEW,
        )
        for slug, amount in PLANS
    ]  # fmt: skip
    ends_at, month = now + dt.timedelta(hours=6), dt.timedelta(days=31)
    for n in range(customers):
        customer = Organization.objects.create(
            slug=f"cus-{n}", full_name=f"Customer {n}", processor=processor, **contact,
            processor_card_key=f"card_{n}", billing_start=ends_at.date() + dt.timedelta(days=1),
        )  # fmt: skip
        for plan in plans:
            subscription = Subscription.objects.create(organization=customer, plan=plan, ends_at=ends_at)
            Subscription.objects.filter(pk=subscription.pk).update(created_at=ends_at - month)


def work(customers: int) -> None:
    from saas import renewals
    from saas.models import Charge

    now = dt.datetime.now(dt.UTC)
    set_up(customers, now)
    began = process_time()
    renewed = renewals.extend_subscriptions(at_time=now)
    extended = process_time()
    charged = renewals.create_charges_for_balance(until=now)
    created = process_time()
    renewals.complete_charges()
    ended = process_time()
    done = Charge.objects.filter(state=Charge.DONE).count()
    assert (renewed, charged, done) == (2 * customers, customers, customers), (renewed, charged, done)
    report("renew, ms CPU", (extended - began) * 1000 / customers)
    report("charge, ms CPU", (created - extended) * 1000 / customers)
    report("settle, ms CPU", (ended - created) * 1000 / customers)
    report("renew, charge and settle, ms CPU", (ended - began) * 1000 / customers)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--customers", type=int, default=200)
    configure()
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)
    work(parser.parse_args().customers)


if __name__ == "__main__":
    main()

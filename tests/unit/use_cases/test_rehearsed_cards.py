"""What a card does in a rehearsal, by what it did before. API.md "rehearsal", PRODUCT 12."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.payment import Payment
from shared.use_cases.rehearsed import outcomes_of

AT = datetime(2026, 1, 1, tzinfo=UTC)


def attempts(*codes, token="tok_1"):
    """One a day, the latest last; None is a success, and a code in capitals a decline for good."""
    for n, code in enumerate(codes):
        status = "succeeded" if code is None else "declined"
        yield Payment(
            f"pay_{token}_{n}", "cus_1", "USD", 100, "card", status, AT + timedelta(days=n), token=token, attempt=1,
            code=code and code.lower(), hard=bool(code and code.isupper()),
        )  # fmt: skip


def test_without_a_seed_a_card_does_what_it_did_last():
    assert outcomes_of(attempts(None, "lost_card", None)) == {"tok_1": ["succeeded"]}
    assert outcomes_of(attempts(None, "insufficient_funds")) == {"tok_1": ["declined:insufficient_funds"]}
    assert outcomes_of([]) == {}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_a_seed_it_is_declined_about_as_often_as_before(seed):
    (script,) = outcomes_of(attempts(None, None, None, "insufficient_funds"), seed).values()
    assert set(script) == {"succeeded", "declined:insufficient_funds"}
    assert 10 <= script.count("declined:insufficient_funds") <= 40  # of a hundred


def test_a_card_that_was_declined_for_good_is_not_drawn_to_work_again():
    assert outcomes_of(attempts(None, None, "STOLEN_CARD"), 7) == {"tok_1": ["declined:stolen_card"]}


def test_the_draws_of_one_card_do_not_hang_on_another():
    one, other = list(attempts(None, "do_not_honor")), list(attempts("do_not_honor", None, token="tok_2"))
    assert outcomes_of(one, 7)["tok_1"] == outcomes_of([*other, *one], 7)["tok_1"]

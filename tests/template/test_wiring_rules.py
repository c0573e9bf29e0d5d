"""What makes a message or a tick never get lost in silence: dead letters, visibility, partial failures, alarms."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import get_args

from infra.local.schedules import read_schedule
from infra.wiring import LOCAL_PARAMETERS, TEMPLATE, load_wiring
from shared.domain.payment import PaymentState
from shared.domain.runs import OutcomeWord
from shared.gateways.mail_pace import WAIT_SECONDS_MAX
from shared.observability import SERVICE

QUARTER_HOUR = "cron(0/15 * * * ? *)"
RULES_IN_ORDER = [  # PRODUCT 9: payments first, then re-evaluation, then notices
    "functions.bill_run.plan",
    "functions.auto_post.sweep",
    "functions.payment_run.plan",
    "functions.autopay.reconcile",
    "functions.past_due.sweep",
    "functions.account_summary.sweep",
    "functions.send_email.sweep",
    "functions.webhooks.sweep",
]
LETTERS = ("AdminApiFunction", "ConsoleFunction")  # show dead letters
FOURTEEN_DAYS = 14 * 24 * 3600


def sources(wiring):
    return [q for q in wiring.queues.values() if q.dlq]


def test_every_queue_that_feeds_a_function_has_a_dead_letter_queue_of_its_own(wiring):
    fed = {m.queue for _, m in wiring.consumers()}
    assert fed == {q.name for q in sources(wiring)}
    dlqs = [q.dlq for q in sources(wiring)]
    assert len(set(dlqs)) == len(dlqs)
    assert all(q.max_receives == 5 for q in sources(wiring))


def test_every_queue_is_fed_to_exactly_one_function_or_holds_dead_letters(wiring):
    fed = [m.queue for _, m in wiring.consumers()]
    dead = [q.dlq for q in sources(wiring)] + [r.dlq for r in wiring.rules[:1]]
    assert sorted(fed + dead) == sorted(wiring.queues)


def test_a_dead_letter_is_kept_as_long_as_sqs_can(wiring):
    dead = {q.dlq for q in sources(wiring)} | {r.dlq for r in wiring.rules}
    assert all(wiring.queues[name].retention_seconds == FOURTEEN_DAYS for name in dead)


def test_a_message_stays_hidden_for_six_times_as_long_as_its_worker_may_take(wiring):
    for function, mapping in wiring.consumers():
        visible_again = wiring.queues[mapping.queue].visibility_seconds
        assert visible_again >= 6 * function.timeout_seconds + mapping.window_seconds, function.id


def test_every_worker_says_which_records_failed_and_is_not_started_without_limit(wiring):
    for function, mapping in wiring.consumers():
        assert mapping.partial_failures, function.id
        assert mapping.max_concurrency is not None, function.id
        assert 2 <= mapping.max_concurrency <= 100, function.id


def test_senders_of_mail_are_told_how_many_may_run_at_once_to_share_the_quota(wiring):
    sender = wiring.functions["SendEmailSendFunction"]
    (mapping,) = sender.mappings
    assert int(sender.env["MAIL_SENDERS"]) == mapping.max_concurrency
    slowest = WAIT_SECONDS_MAX * mapping.batch_size
    assert slowest < sender.timeout_seconds


def test_a_worker_may_take_from_its_own_queue_and_from_no_other(wiring):
    dead = {q.name for q in wiring.queues.values() if q.dlq is None}
    for function, mapping in wiring.consumers():
        for queue in wiring.queues.values():
            assert function.may("sqs:ReceiveMessage", queue.arn) == (queue.name == mapping.queue)
    for function in wiring.functions.values():
        if not function.mappings:
            taken = {q.name for q in wiring.queues.values() if function.may("sqs:ReceiveMessage", q.arn)}
            assert taken == (
                dead if function.id in ("AdminApiFunction", "ConsoleFunction") else set()
            )  # which puts them back


def test_a_worker_that_sends_messages_is_allowed_to_go_round(wiring, template):
    """Lambda stops a chain of more than 16 invocations unless told that the loop is meant."""
    for function, _ in wiring.consumers():
        sends = any(function.may("sqs:SendMessage", q.arn) for q in wiring.queues.values())
        said = template.resources[function.id].properties.get("RecursiveLoop", "Terminate")
        if sends and function.id != "PastDueAssessFunction":  # its messages end with the mail
            assert said == "Allow", function.id


def test_every_scheduled_function_has_the_rule_of_every_quarter_of_an_hour(wiring):
    """But for the one that asks the gateway about attempts from five minutes on."""
    others = {r.function: r.expression for r in wiring.rules}
    assert others.pop("AutopayReconcileFunction") == "cron(0/5 * * * ? *)"
    assert set(others.values()) == {QUARTER_HOUR}
    scheduled = [f.handler.removesuffix(".lambda_handler") for f in wiring.functions.values() if f.rules]
    assert scheduled == RULES_IN_ORDER
    assert all(len(f.rules) <= 1 for f in wiring.functions.values())


def test_the_rule_fires_on_the_quarters_of_an_hour():
    new_year = datetime(2026, 1, 1, tzinfo=UTC)
    schedule = read_schedule(QUARTER_HOUR, new_year)
    assert schedule.next_after(new_year) == datetime(2026, 1, 1, 0, 15, tzinfo=UTC)
    assert schedule.next_after(datetime(2026, 12, 31, 23, 45, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)


def test_ticks_that_cannot_be_delivered_or_fail_every_time_end_in_the_ticks_dlq(wiring):
    for rule in wiring.rules:
        function = wiring.functions[rule.function]
        assert wiring.queues[rule.dlq].label == "ticks_dlq"
        assert function.on_failure == rule.dlq
        assert function.async_retries == 2
        assert function.may("sqs:SendMessage", wiring.queues[rule.dlq].arn)


def test_eventbridge_may_put_every_rule_s_tick_into_the_ticks_dlq(wiring, template):
    policy = template.resources["TicksDlqPolicy"].properties["PolicyDocument"]
    allowed = [s for s in policy["Statement"] if s["Effect"] == "Allow"]
    assert sorted(allowed[0]["Condition"]["ArnEquals"]["aws:SourceArn"]) == sorted(r.arn for r in wiring.rules)


def test_mail_feedback_reaches_its_queue_and_is_not_lost_on_the_way(wiring, template):
    ((topic, queue),) = wiring.subscriptions.items()
    assert wiring.queues[queue].label == "feedback"
    (destination,) = template.of("AWS::SES::ConfigurationSetEventDestination")
    event = destination.properties["EventDestination"]
    assert event["SnsDestination"]["TopicARN"] == topic
    assert {"BOUNCE", "COMPLAINT", "DELIVERY"} <= set(event["MatchingEventTypes"])
    subscription = template.resources["FeedbackSubscription"].properties
    assert subscription["RedrivePolicy"]["deadLetterTargetArn"] == wiring.queues[wiring.queues[queue].dlq].arn


def test_only_the_topic_may_write_what_ses_says_and_only_ses_of_this_account_to_the_topic(wiring, template):
    ((topic, queue),) = wiring.subscriptions.items()
    (policy,) = (
        p.properties for p in template.of("AWS::SQS::QueuePolicy")
        if any(s["Effect"] == "Allow" and wiring.queues[queue].arn in s["Resource"]
               for s in p.properties["PolicyDocument"]["Statement"])
    )  # fmt: skip
    (allowed,) = (s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow")
    assert allowed["Principal"] == {"Service": "sns.amazonaws.com"}
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": topic}}
    writers = [s for s in template.resources["FeedbackTopicPolicy"].properties["PolicyDocument"]["Statement"]
               if s["Effect"] == "Allow"]  # fmt: skip
    assert [s["Principal"] for s in writers] == [{"Service": "ses.amazonaws.com"}]
    assert all("aws:SourceAccount" in s["Condition"]["StringEquals"] for s in writers)
    senders = [f.id for f in wiring.functions.values() if f.may("sqs:SendMessage", wiring.queues[queue].arn)]
    assert sorted(senders) == sorted(LETTERS)  # which put dead letters back


# ---- alarms ------------------------------------------------------------------------------------------------


def watched(template, namespace, metric):
    alarms = [a.properties for a in template.of("AWS::CloudWatch::Alarm")]
    return [a["Dimensions"][0]["Value"] for a in alarms if (a["Namespace"], a["MetricName"]) == (namespace, metric)]


def test_there_is_an_alarm_on_every_dead_letter_queue(wiring, template):
    dead = {q.dlq for q in sources(wiring)} | {r.dlq for r in wiring.rules}
    assert sorted(watched(template, "AWS/SQS", "ApproximateNumberOfMessagesVisible")) == sorted(dead)


def test_there_is_an_alarm_on_every_function_s_errors_and_throttles(wiring, template):
    names = sorted(f.name for f in wiring.functions.values())
    assert sorted(watched(template, "AWS/Lambda", "Errors")) == names
    assert sorted(watched(template, "AWS/Lambda", "Throttles")) == names


def test_there_is_an_alarm_on_every_rule_that_falls_silent(wiring, template):
    scheduled = sorted(f.name for f in wiring.functions.values() if f.rules)
    assert sorted(watched(template, "AWS/Lambda", "Invocations")) == scheduled
    for alarm in (a.properties for a in template.of("AWS::CloudWatch::Alarm") if a.id.endswith("Silent")):
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
        assert alarm["TreatMissingData"] == "breaching"
        assert alarm["Period"] > 15 * 60


def test_failed_and_late_runs_and_unknown_attempts_raise_an_alarm(template):
    own = [a.properties for a in template.of("AWS::CloudWatch::Alarm") if a.properties["Namespace"] == "Paidup"]
    assert {a["MetricName"] for a in own} == {
        "not_billed",
        "invoice_not_posted",
        "run_late",
        "charge_unknown",
        "reconciled_unknown",
        "event_delivery_failed",
    }
    assert all(a["Dimensions"] == [{"Name": "service", "Value": SERVICE}] for a in own)
    assert {a["MetricName"] for a in own} <= counted_by_the_handlers()


def counted_by_the_handlers():
    """The names in `count("…")` and `report("…")`, with the words that may stand for {…} filled in."""
    words = {*get_args(OutcomeWord), *get_args(PaymentState)}
    names = set()
    for path in (TEMPLATE.parent / "functions").rglob("*.py"):
        for name in re.findall(r"""(?:count|report)\(f?"(\w+?)(?:\{|")""", path.read_text(encoding="utf-8")):
            names |= {name} | {name + word for word in words}
    return names


def test_every_alarm_tells_somebody_and_but_for_silence_goes_off_at_the_first(template):
    (mail,) = (s.properties for s in template.of("AWS::SNS::Subscription") if s.properties["Protocol"] == "email")
    for alarm in template.of("AWS::CloudWatch::Alarm"):
        assert alarm.properties["AlarmActions"] == [mail["TopicArn"]], alarm.id
        if not alarm.id.endswith("Silent"):
            asked = (alarm.properties["ComparisonOperator"], alarm.properties["Threshold"])
            assert asked == ("GreaterThanThreshold", 0), alarm.id
            assert alarm.properties["TreatMissingData"] == "notBreaching"


def test_the_local_stage_differs_from_production_in_its_parameters_only(wiring):
    local = load_wiring(TEMPLATE, LOCAL_PARAMETERS)
    assert list(local.functions) == list(wiring.functions)
    assert local.routes == wiring.routes
    assert all(f.env["STAGE"] == "local" for f in local.functions.values())

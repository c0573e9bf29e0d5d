"""What bodies have in common, for zlib to refer to: a posted invoice takes half the room, and stays within the kilobyte
that a unit of DynamoDB's writes.

Bodies written with it can only be read with it: it never changes. A better one would be a second one beside it.
"""

from typing import Final

BODIES: Final = (
    b'"episode":"","step":"past_due_1","reason":"paid","tier":1,"subject_id":"inv_","kind":"payment_received","claim":"'
    b'","to":"@example.com","message_id":"","sent_at":"2026-","delivered_at":"2026-","by_run":true,"claimed_at":"2026-'
    b'"refunds":[{"ordinal":1,"status":"done","amount_minor":"refunded_minor":,"retries":1,"next_attempt_on":"2026-'
    b'"hard":false,"code":"insufficient_funds","status":"declined","status":"unknown","checks":,"next_check_at":"2026-'
    b'"credited_minor":,"gateway_id":"ch_","rule_id":"apr_","run_id":"prn_","token":"tok_","payment_method_id":"pm_'
    b'","method":"card","status":"pending","status":"succeeded","allocations":[{"invoice_id":"inv_","amount_minor":'
    b'"usage","metric":"unit_amount":"0.","included_quantity":"tier_mode":"graduated","tiers":[{"up_to":"one_time",'
    b'"on":"'
    b'"expected":true,"interval":"year","interval_count":3,"interval":"quarter","timing":"arrears","anchor_month":1,'
    b'"start_date":"2026-","billing_starts_on":"2026-","bill_cycle_day":1,"charges":[{"id":"chg_","name":"","type":'
    b'"recurring","amount_minor":,"quantity":"1"},{"id":"chg_"}],"progress":[{"charge_id":"chg_","billed_through":"'
    b'2026-","periods":["2026--01/2026--01|inv_;*1="]},{"charge_id":"chg_"]}],"next_bill_on":"2026-","version":'
    b'{"invoice_id":"inv_","part":0,"lines":[{"name":"","amount_minor":,"unit_amount_minor":,"quantity":"1",'
    b'"contract_id":"con_","charge_id":"chg_","service_start":"2026-","service_end":"2026-"},{"name":"taxable":true'
    b'"reason":"late fee","adjusts_invoice_id":"inv_","type":"credit_memo","type":"out_of_turn","hold":{"until":'
    b'"tax_minor":,"autopay_ended":true,"open_attempt_id":"pay_","voided_at":"2026-","residual_minor":'
    b'"flags":[{"code":"total_changed","message":"the total changed by  % against {"code":"first_invoice","message":"'
    b'the first invoice of "}],{"id":"inv_","customer_id":"cus_","currency":"EUR","currency":"USD",'
    b'"invoice_date":"2026-'
    b'","status":"draft","status":"posted","subtotal_minor":,"tax_rate_percent":"0","total_minor":,"line_count":2,'
    b'"bill_run_id":"brn_","bill_on":"2026-","contract_ids":["con_"],"number":"INV-0000","posted_on":"2026-",'
    b'"posted_at":"2026-01-02T04:00:00Z","due_on":"2026-","settled_at":"2026-01-02T11:00:00Z","attempts":1,'
    b'"created_at":"2026-01-02T04:00:00Z"}'
)

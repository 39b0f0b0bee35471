"""Usage records are listed without being counted, and one page says why a request went where it went."""

from __future__ import annotations

import pytest
from django.urls import reverse

from routing import client_keys
from tests.integration.admin.cast import make_credential, make_provider, make_usage

pytestmark = pytest.mark.django_db
LIST = reverse("admin:routing_usagerecord_changelist")


def test_the_list_is_never_counted(admin, django_assert_max_num_queries):
    for number in range(60):
        make_usage(number)
    with django_assert_max_num_queries(12) as queries:
        response = admin.get(LIST)
    assert not [query for query in queries if "COUNT(" in query["sql"] and "usagerecord" in query["sql"]]
    assert len(response.context["cl"].result_list) == 50
    assert len(admin.get(LIST, {"p": 2}).context["cl"].result_list) == 10


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"provider_key": "acme"}, {1}),
        ({"outcome": "error"}, {2}),
        ({"status_class": "5"}, {2}),
        ({"route_model__icontains": "fas"}, {1, 2}),
        ({"client_key_id": "0"}, set()),
        ({"client_key_id": "x"}, set()),
        ({"q": f"{2:032x}"}, {2}),
    ],
)
def test_the_list_is_filtered(admin, query, found):
    make_provider()
    client_keys.create(note="CI")
    make_usage(1, provider_key="acme", route_model="fast")
    make_usage(2, outcome="error", status=502, route_model="fast")
    make_usage(3, route_model="smart")
    rows = admin.get(LIST, query).context["cl"].result_list
    assert {int(row.exchange_id, 16) for row in rows} == found


def test_the_list_is_filtered_by_credential(admin):
    credential = make_credential(make_provider(), label="Research")
    make_usage(1, credential=credential)
    make_usage(2)
    rows = admin.get(LIST, {"credential__id__exact": credential.pk}).context["cl"].result_list
    assert [int(row.exchange_id, 16) for row in rows] == [1]


@pytest.mark.parametrize(
    ("model", "usage", "figure"),
    [
        ("gpt-4o", {"input_tokens": 100_000, "output_tokens": 10_000}, "$0.35"),
        ("gpt-4o", {"input_tokens": 100_000, "cached_tokens": 90_000, "output_tokens": 10_000}, "$0.24"),
        ("gpt-4o", {"input_tokens": 100, "output_tokens": 10}, "$0.00035"),
        ("nobody-s-model", {"input_tokens": 100, "output_tokens": 10}, "not known"),
    ],
)
def test_the_page_estimates_what_it_cost(admin, model, usage, figure):
    provider = make_provider(key="openai", adapter="openai")
    record = make_usage(
        provider_key="openai", upstream_model=model, credential=make_credential(provider), **usage
    )
    page = admin.get(reverse("admin:routing_usagerecord_change", args=[record.pk]))
    (cost,) = [card for card in page.context["story"]["figures"] if card["title"] == "Cost"]
    assert cost["figure"] == figure
    assert figure in page.content.decode()


def test_the_page_tells_each_attempt_and_its_reason(admin):
    first = make_credential(make_provider(), label="Research")
    attempts = [
        {
            "provider": "acme",
            "credential": first.pk,
            "model": "small",
            "status": 429,
            "reason": "quota: spent",
        },
        {"provider": "acme", "credential": 999, "model": "small", "status": 200, "ms": 412.5},
    ]
    record = make_usage(attempts=attempts, input_tokens=1200, output_tokens=34, first_byte_ms=231.0)
    html = admin.get(reverse("admin:routing_usagerecord_change", args=[record.pk])).content.decode()
    for shown in ("Research", "spent", "429", "credential 999", "412 ms", "1,200", "231 ms"):
        assert shown in html
    assert f"/admin/why/?model={record.route_model}" in html


def test_the_page_tells_who_was_left_out_and_what_was_decided(admin):
    provider = make_provider()
    resting = make_credential(provider, label="Night shift")
    record = make_usage(
        request_id="req-1",
        decision={
            "strategy": "weighted-round-robin",
            "bound_by": "header",
            "fallback": ["large", "context_length"],
            "rejected": [
                {
                    "credential": resting.pk,
                    "provider": "acme",
                    "model": "small",
                    "reason": "cooling",
                    "detail": "quota: <b>full</b>",
                    "until": 1_800_000_000.0,
                }
            ],
            "rejected_count": 4,
        },
    )
    html = admin.get(reverse("admin:routing_usagerecord_change", args=[record.pk])).content.decode()
    for shown in (
        "Night shift",
        "rests",
        "and 3 more",
        "weighted-round-robin",
        "bound (header)",
        "large, because the conversation did not fit",
        "quota: &lt;b&gt;full&lt;/b&gt;",
    ):
        assert shown in html


@pytest.mark.parametrize("damaged", [None, [], {"rejected": ["x"]}, {"rejected": [{}]}, {"fallback": None}])
def test_a_record_of_another_version_still_has_its_page(admin, damaged):
    record = make_usage(decision=damaged, attempts=["x", {}, {"ms": "slow", "credential": "7"}])
    assert admin.get(reverse("admin:routing_usagerecord_change", args=[record.pk])).status_code == 200


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [("client_gone", "The client left"), ("cut", "broke off"), ("error", "Nobody answered in 1 attempt")],
)
def test_the_verdict_tells_how_it_ended(admin, outcome, verdict):
    make_provider()
    attempts = [{"provider": "acme", "model": "small", "reason": "transient: gone", "ms": 3}]
    record = make_usage(outcome=outcome, attempts=attempts, provider_key="acme", upstream_model="small")
    html = admin.get(reverse("admin:routing_usagerecord_change", args=[record.pk])).content.decode()
    assert verdict in html


def test_a_record_is_found_by_the_clients_request_id(admin):
    make_usage(1, request_id="req-1")
    make_usage(2, request_id="req-2")
    rows = admin.get(LIST, {"q": "req-2"}).context["cl"].result_list
    assert [row.request_id for row in rows] == ["req-2"]


def test_what_an_upstream_said_is_escaped(admin):
    record = make_usage(attempts=[{"provider": "acme", "reason": "<script>alert(1)</script>"}])
    html = admin.get(reverse("admin:routing_usagerecord_change", args=[record.pk])).content.decode()
    assert "<script>alert(1)" not in html


def test_the_first_page_sums_the_last_day(admin):
    make_usage(1, input_tokens=1000, output_tokens=200)
    make_usage(2, outcome="error", status=502, error_code="upstream_error")
    context = admin.get(reverse("admin:index")).context
    assert context["usage"]["requests"] == 2
    assert context["usage"]["errors"] == 1
    assert context["usage"]["input"] == 1000
    assert [row.error_code for row in context["failures"]] == ["upstream_error"]

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
    for shown in ("Research", "quota: spent", "429", "credential 999", "412 ms", "1200", "231 ms"):
        assert shown in html


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

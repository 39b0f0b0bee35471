"""The admin's page "Why?": asked with a form or a link, answered as routing would decide."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from providers.models import CredentialCooldown
from routing import client_keys
from tests.integration.admin.cast import browser_of, make_credential, make_person, make_provider
from tests.integration.routing.makers import make_alias

pytestmark = pytest.mark.django_db
PAGE = "/admin/why/"


@pytest.fixture
def rows():
    provider = make_provider(options={"only-listed": True})
    first = make_credential(provider, "canary-secret-0001", label="first")
    second = make_credential(provider, "canary-secret-0002", label="second")
    make_alias(provider, "fast", "up-fast")
    CredentialCooldown.objects.create(
        credential=second,
        model="up-fast",
        cause="quota",
        since=timezone.now(),
        until=timezone.now() + timedelta(minutes=3),
    )
    return first, second


def test_the_empty_page_offers_the_registered_models(admin, rows):
    html = admin.get(PAGE).content.decode()
    assert '<option value="fast">' in html
    assert 'id="verdict"' not in html


def test_a_link_asks_and_the_page_answers(admin, rows):
    html = admin.get(PAGE, {"model": "fast", "stream": "on"}).content.decode()
    assert "It goes to acme, credential first, as up-fast." in html
    assert "POST http://127.0.0.1:9/v1/chat/completions" in html
    assert "second" in html
    assert "quota" in html
    assert "canary" not in html
    assert reverse("admin:providers_credential_change", args=[rows[0].pk]) in html


def test_a_form_asks_with_a_sample_and_headers(admin, rows):
    asked = {
        "model": "fast",
        "format": "claude",
        "headers": "X-Session: 1\n\nanthropic-beta: a",
        "body": '{"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], "top_k": 3}',
    }
    answer = admin.post(PAGE, asked).context["answer"]
    assert answer.candidates[0].sent.dropped
    assert answer.candidates[0].sent.body["model"] == "up-fast"


@pytest.mark.parametrize(
    ("field", "text", "complaint"),
    [
        ("model", " ", "This field is required."),
        ("headers", "no colon", "with a colon behind its name"),
        ("body", "{", "This is no JSON"),
        ("body", "[1]", "must be a JSON object"),
        ("input_tokens", "-1", "greater than or equal to 0"),
        ("key", "999", "Select a valid choice"),
        ("format", "soap", "Select a valid choice"),
    ],
)
def test_what_cannot_be_asked_is_said_at_its_field(admin, rows, field, text, complaint):
    asked = {"model": "fast", "format": "claude", field: text}
    response = admin.post(PAGE, asked)
    assert response.status_code == 200
    assert response.context["answer"] is None
    assert complaint in str(response.context["form"].errors[field])


def test_a_client_keys_view_and_what_was_perhaps_meant(admin, rows):
    key, _ = client_keys.create(note="CI", allowed_models=["gpt-*"])
    html = admin.get(PAGE, {"model": "fast", "key": key.pk}).content.decode()
    assert "model_not_allowed" in html
    assert "not for this key" in html
    assert "?model=fast" in admin.get(PAGE, {"model": "fats"}).content.decode()


def test_who_may_not_see_credentials_may_not_ask(rows):
    keys = browser_of(make_person("kim", "key manager"))
    assert keys.get(PAGE).status_code == 403
    assert PAGE not in keys.get("/admin/").content.decode()
    viewer = browser_of(make_person("vera", "viewer"))
    assert viewer.get(PAGE).status_code == 200
    assert PAGE in viewer.get("/admin/").content.decode()


def test_nobody_asks_without_signing_in(client):
    assert client.get(PAGE).status_code == 302

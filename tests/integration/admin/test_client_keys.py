"""Client keys are made in the admin, shown once, and never again."""

from __future__ import annotations

import logging
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.urls import reverse

from routing import client_keys, revision
from routing.models import ClientKey
from tests.integration.admin.cast import form_of

pytestmark = pytest.mark.django_db
ADD = reverse("admin:routing_clientkey_add")
FORM = {
    "note": "CI",
    "enabled": "on",
    "expires_at_0": "2099-01-31",
    "expires_at_1": "12:00:00",
    "allowed_models": "gpt-4o\n claude-* \n\ngpt-4o",
    "limits": "rpm: 5\nwaits: true",
    "keeps_responses_days": "0",
}


def key_in(html: str) -> str:
    found = re.search(r'id="client-key">([^<]+)<', html)
    assert found
    return found.group(1)


def test_the_new_key_is_shown_with_a_curl_line_and_opens_the_gateway(key_manager):
    response = key_manager.post(ADD, FORM)
    html = response.content.decode()
    plain = key_in(html)
    row = ClientKey.objects.get()
    assert row.digest == client_keys.digest(plain)
    assert row.allowed_models == ["gpt-4o", "claude-*"]
    assert row.limits == {"rpm": 5, "waits": True}
    assert row.expires_at is not None
    assert f"Bearer {plain}" in html
    assert "/v1/models" in html
    assert "no-store" in response.headers["Cache-Control"]
    assert 'data-afterwards="/admin/routing/clientkey/"' in html
    form = key_manager.get(ADD).content.decode()
    assert [name for name in ("_save", "_continue", "_addanother") if f'name="{name}"' in form] == ["_save"]


def test_the_key_is_nowhere_afterwards(root, caplog):
    caplog.set_level(logging.DEBUG)
    plain = key_in(root.post(ADD, FORM).content.decode())
    row = ClientKey.objects.get()
    for page in (
        ADD,
        reverse("admin:routing_clientkey_changelist"),
        reverse("admin:routing_clientkey_change", args=[row.pk]),
        reverse("admin:routing_clientkey_history", args=[row.pk]),
        reverse("admin:index"),
    ):
        assert plain not in root.get(page).content.decode()
    kept = [str(value) for session in Session.objects.all() for value in session.get_decoded().values()]
    entries = [f"{entry.object_repr}{entry.change_message}" for entry in LogEntry.objects.all()]
    assert plain not in "".join([*kept, *entries, root.cookies.output(), caplog.text])


def test_it_is_made_disabled_when_asked(key_manager):
    html = key_manager.post(ADD, {"note": "later", "keeps_responses_days": "0"}).content.decode()
    assert not ClientKey.objects.get().enabled
    assert "It is disabled" in html


def test_patterns_are_one_a_line(key_manager):
    response = key_manager.post(ADD, {"note": "x", "allowed_models": "gpt-4o claude-*"})
    assert "one pattern a line" in response.content.decode()
    assert not ClientKey.objects.exists()


def test_a_change_keeps_the_key_and_raises_the_revision(key_manager):
    row, plain = client_keys.create(note="CI", allowed_models=["gpt-4o"])
    page = reverse("admin:routing_clientkey_change", args=[row.pk])
    before = revision.current()
    assert key_manager.post(page, form_of(key_manager.get(page)) | {"note": "Build"}).status_code == 302
    row.refresh_from_db()
    assert (row.note, row.digest, row.allowed_models) == ("Build", client_keys.digest(plain), ["gpt-4o"])
    assert revision.current() > before

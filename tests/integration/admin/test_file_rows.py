"""Rows that config.yaml owns are shown and not changed; what the file does not name can still be added."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from providers.models import Credential, Provider
from routing import client_keys
from routing.models import ModelAlias
from tests.integration.admin.cast import form_of, make_credential, make_provider

pytestmark = pytest.mark.django_db


@pytest.fixture
def filed(db):
    provider = make_provider("filed", origin="file", origin_key="openai-compatibility[0]")
    make_credential(provider, label="From the file", origin="file")
    return provider


def change(row) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def test_the_page_says_who_owns_the_row(admin, filed):
    html = admin.get(change(filed)).content.decode()
    assert "Owned by config.yaml" in html
    assert "openai-compatibility[0]" in html
    assert 'name="name"' not in html


def test_made_up_requests_change_and_delete_nothing(root, filed):
    credential = filed.credentials.get()
    key, _ = client_keys.create(note="filed", origin="file")
    for row in (filed, credential, key):
        assert root.post(change(row), {"name": "mine", "label": "mine", "note": "mine"}).status_code == 403
        assert root.post(change(row).replace("change", "delete"), {"post": "yes"}).status_code == 403
        listing = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_changelist")
        root.post(listing, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
        response = root.post(listing, {"action": "disable", "_selected_action": [row.pk]})
        assert any("owned by config.yaml" in str(text) for text in get_messages(response.wsgi_request))
        row.refresh_from_db()
        assert row.enabled


def test_a_files_row_in_a_table_cannot_be_changed_or_removed(root):
    provider = make_provider()
    alias = ModelAlias.objects.create(
        provider=provider, alias="fast", upstream_model="small", origin="file", origin_key="x[0]"
    )
    own = ModelAlias.objects.create(provider=provider, alias="smart", upstream_model="large")
    data = form_of(root.get(change(provider)))
    data |= {
        "aliases-0-upstream_model": "stolen",
        "aliases-0-DELETE": "on",
        "aliases-1-upstream_model": "huge",
    }
    assert root.post(change(provider), data).status_code == 302
    alias.refresh_from_db()
    own.refresh_from_db()
    assert (alias.upstream_model, own.upstream_model) == ("small", "huge")


def test_a_provider_cannot_be_deleted_with_a_row_of_the_file_behind_it(root):
    provider = make_provider()
    make_credential(provider, origin="file")
    root.post(reverse("admin:providers_provider_delete", args=[provider.pk]), {"post": "yes"})
    assert Provider.objects.filter(pk=provider.pk).exists()


def test_a_credential_and_an_alias_are_added_to_a_files_provider(admin, filed):
    data = {"provider": filed.pk, "secret": "acme-secret-0009", "weight": "1", "enabled": "on"}
    assert admin.post(reverse("admin:providers_credential_add"), data).status_code == 302
    added = Credential.objects.get(provider=filed, origin="database")
    assert admin.get(change(added)).context["has_change_permission"]
    data = {"provider": filed.pk, "alias": "fast", "upstream_model": "small", "position": "0"}
    assert admin.post(reverse("admin:routing_modelalias_add"), data).status_code == 302


def test_a_files_credential_is_tested_and_its_cooldowns_cleared_all_the_same(admin, filed):
    credential = filed.credentials.get()
    for action in ("test_now", "clear_cooldowns"):
        url = reverse(f"admin:providers_credential_{action}", args=[credential.pk])
        assert admin.post(url).status_code == 302
    credential.refresh_from_db()
    assert credential.health_at is not None
    assert credential.cooldowns_cleared_at is not None

"""Canaries: secrets are planted everywhere they may be stored or typed, and looked for everywhere they could
come out: every page of the admin, pages with errors, the admin's history, and the log."""

from __future__ import annotations

import logging

import pytest
from django.contrib import admin as django_admin
from django.contrib.admin.models import LogEntry
from django.urls import NoReverseMatch, reverse

from providers import secrets
from providers.models import Credential, Provider
from routing.models import GatewaySettings, ModelAlias, ModelExclusion
from tests.integration.admin.cast import form_of, make_credential, make_provider, make_usage, upstream

pytestmark = pytest.mark.django_db
CANARY = "canary-2f9c41"
KEY = f"sk-{CANARY}-key-000000"
HEADER = f"{CANARY}-header"
PROXY = f"http://{CANARY}-user:{CANARY}-password@10.0.0.9:3128"


@pytest.fixture
def planted(db):
    sealed = {"headers_token": secrets.seal_headers({"X-Team": HEADER}), "proxy_token": secrets.seal(PROXY)}
    provider = make_provider(**sealed)
    credential = make_credential(provider, KEY, label="Team key", **sealed)
    from_file = make_provider("filed", origin="file", origin_key="openai-compatibility[0]", **sealed)
    make_credential(from_file, f"{KEY}2", origin="file", **sealed)
    GatewaySettings.objects.create(pk=1, proxy_token=secrets.seal(PROXY))
    ModelAlias.objects.create(provider=provider, alias="fast", upstream_model="small")
    ModelExclusion.objects.create(provider=provider, pattern="*-preview")
    make_usage(credential=credential, credential_label="Team key")
    return provider


def every_page() -> list[str]:
    """All addresses of the admin that need no more than a row: lists, add, change, delete, history."""
    pages = [reverse("admin:index")]
    for model in django_admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages += [reverse(f"{name}_changelist"), reverse(f"{name}_add")]
        for row in model._default_manager.all()[:5]:
            for view in ("change", "delete", "history"):
                try:
                    pages.append(reverse(f"{name}_{view}", args=[row.pk]))
                except NoReverseMatch:
                    continue
    return pages


def test_no_page_of_the_admin_shows_a_secret(root, viewer, planted, caplog):
    caplog.set_level(logging.DEBUG)
    seen = 0
    for client in (root, viewer):
        for page in every_page():
            response = client.get(page, follow=True)
            assert response.status_code in {200, 403}, page
            assert CANARY not in response.content.decode(), page
            seen += response.status_code == 200
    assert seen > 30
    assert CANARY not in caplog.text


def test_the_page_shows_that_something_is_stored(root, planted):
    html = root.get(reverse("admin:providers_provider_change", args=[planted.pk])).content.decode()
    assert "X-Team: ••••" in html
    assert "http://••••@10.0.0.9:3128" in html
    assert planted.credentials.get().fingerprint in html


def test_saving_without_touching_them_keeps_headers_and_proxy(root, planted):
    page = reverse("admin:providers_provider_change", args=[planted.pk])
    data = form_of(root.get(page)) | {"name": "Renamed"}
    assert root.post(page, data).status_code == 302
    row = Provider.objects.get(pk=planted.pk)
    assert row.name == "Renamed"
    assert secrets.reveal_headers(row.headers_token) == {"X-Team": HEADER}
    assert secrets.reveal(row.proxy_token) == PROXY


def test_one_header_is_replaced_and_another_kept(root, planted):
    page = reverse("admin:providers_provider_change", args=[planted.pk])
    data = form_of(root.get(page)) | {"headers": "X-Team: ••••\nX-New: fresh", "proxy": ""}
    assert root.post(page, data).status_code == 302
    row = Provider.objects.get(pk=planted.pk)
    assert secrets.reveal_headers(row.headers_token) == {"X-Team": HEADER, "X-New": "fresh"}
    assert row.proxy_token == ""


def test_neither_history_nor_log_nor_error_page_repeats_what_was_typed(
    root, planted, caplog, django_capture_on_commit_callbacks
):
    caplog.set_level(logging.DEBUG)
    change = reverse("admin:providers_provider_change", args=[planted.pk])
    credential = planted.credentials.get()
    own = reverse("admin:providers_credential_change", args=[credential.pk])
    typed = {"headers": f"X-Team: {CANARY}-other", "proxy": f"socks5://a:{CANARY}@10.0.0.1:1080"}
    filled = form_of(root.get(change))
    attempts = [
        (change, filled | typed | {"priority": "high"}),
        (change, filled | {"headers": f"{CANARY} without a colon", "proxy": f"gopher://u:{CANARY}@h"}),
        (change, filled | {"base_url": f"https://u:{CANARY}@acme.example/v1?key={CANARY}"}),
        (change, filled | {"credentials-0-secret": f"{CANARY}-0000000000", "credentials-0-weight": "-1"}),
        (own, form_of(root.get(own)) | typed | {"secret": f"{CANARY}-1111111111", "weight": "-1"}),
        (own, form_of(root.get(own)) | {"secret": f"{CANARY}\x07{CANARY}"}),
        (reverse("admin:providers_provider_add"), {"adapter": "gone", "api_key": f"{CANARY}-2222222222"}),
        (reverse("admin:providers_credential_add"), {"secret": f"{CANARY}-3333333333", **typed}),
        (reverse("admin:routing_gatewaysettings_change", args=[1]), {"proxy": f"http://{CANARY}@h:1"}),
        (change, filled | typed),
        (own, form_of(root.get(own)) | typed | {"secret": f"{CANARY}-4444444444"}),
    ]
    outcomes = []
    for page, data in attempts:
        with django_capture_on_commit_callbacks(execute=True):
            response = root.post(page, data)
        outcomes.append(response.status_code)
        assert CANARY not in response.content.decode(), page
        assert CANARY not in root.cookies.output(), page
    assert outcomes == [200] * 9 + [302] * 2
    assert LogEntry.objects.count() == 2
    for entry in LogEntry.objects.all():
        assert CANARY not in f"{entry.change_message}{entry.object_repr}"
    assert CANARY not in caplog.text
    assert secrets.reveal(Credential.objects.get(pk=credential.pk).secret_token) == f"{CANARY}-4444444444"


def test_an_upstream_that_repeats_the_key_is_not_repeated(root, caplog):
    caplog.set_level(logging.DEBUG)
    with upstream("another-key") as url:
        credential = make_credential(make_provider(base_url=url), KEY)
        response = root.post(
            reverse("admin:providers_credential_test_now", args=[credential.pk]), follow=True
        )
    credential.refresh_from_db()
    assert "refused" in credential.health_message
    for place in (response.content.decode(), credential.health_message, caplog.text):
        assert CANARY not in place


def test_a_secret_whose_key_is_lost_is_said_to_be_lost(root, planted, keyring, tmp_path):
    (tmp_path / "encryption_keys").unlink()
    keyring.load()
    page = root.get(reverse("admin:providers_provider_change", args=[planted.pk]))
    assert page.status_code == 200
    assert "its encryption key is missing" in page.content.decode()

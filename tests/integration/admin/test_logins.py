"""Logins in the admin: where an account is connected, how it stands, what happened to it, who may see it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from oauth import timeline
from oauth.attempts import Beginner, begin
from oauth.flows.base import Grant
from oauth.flows.registry import channel_for
from oauth.models import EventKind, OAuthToken, QuotaReading, TokenStatus
from oauth.tokens import store_grant
from providers.models import Credential
from tests.integration.admin.cast import make_provider

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(db) -> Credential:
    """A Kiro account that works and has used most of its allowance."""
    now = timezone.now()
    grant = Grant(
        channel="kiro",
        access_token="canary-access",
        refresh_token="canary-refresh",
        method="builder-id",
        label="mira@example.com",
        account={"email": "mira@example.com", "auth_method": "builder-id"},
        private={"client_id": "c", "client_secret": "canary-client-secret"},
        expires_at=(now + timedelta(minutes=42, seconds=30)).timestamp(),
    )
    credential = store_grant(grant)
    QuotaReading.objects.create(
        credential=credential,
        name="agentic_request",
        limit=50,
        used=45,
        remaining=5,
        used_percent=90,
        unit="requests",
        resets_at=now + timedelta(days=3, minutes=1),
    )
    return credential


def page(browser: Client, name: str, *arguments: object) -> str:
    answer = browser.get(reverse(f"admin:{name}", args=arguments))
    assert answer.status_code == 200
    return str(answer.content.decode())


def reject(credential: Credential) -> None:
    OAuthToken.objects.filter(credential=credential).update(
        status=TokenStatus.LOGIN_NEEDED, last_error="The grant was revoked.", next_refresh_at=None
    )
    timeline.note(credential.pk, EventKind.FAILURE, "The grant was revoked.", cause="refresh rejected")


def test_accounts_are_connected_from_home_lists_and_a_providers_page(admin: Client, account: Credential):
    assert 'href="/v0/oauth"' in page(admin, "index")
    assert 'href="/v0/oauth"' in page(admin, "providers_credential_changelist")
    assert 'href="/v0/oauth"' in page(admin, "oauth_oauthtoken_changelist")
    own = page(admin, "providers_provider_change", account.provider_id)
    assert 'href="/v0/oauth/kiro"' in own
    assert "/v0/oauth/" not in page(admin, "providers_provider_change", make_provider().pk)


def test_whoever_may_not_connect_sees_no_way_to(viewer: Client, account: Credential):
    reject(account)
    for name, arguments in (
        ("index", ()),
        ("providers_credential_changelist", ()),
        ("providers_provider_change", (account.provider_id,)),
    ):
        assert "Connect account" not in page(viewer, name, *arguments)
    for name in ("providers_credential_timeline", "providers_credential_change"):
        assert "/v0/oauth/kiro" not in page(viewer, name, account.pk)


def test_a_credentials_page_tells_its_login_and_allowance(admin: Client, account: Credential):
    shown = page(admin, "providers_credential_change", account.pk)
    assert "in 42 min, renews by itself" in shown
    assert 'max="100" value="90"' in shown
    assert "5 of 50 requests left" in shown
    assert "resets in 3 days" in shown
    assert "Connected by “AWS Builder ID”" in shown
    assert "canary" not in shown


def test_a_rejected_login_is_offered_again_everywhere(admin: Client, account: Credential):
    reject(account)
    again = f"/v0/oauth/kiro?new=1&amp;credential={account.pk}"
    for name, arguments in (
        ("index", ()),
        ("providers_credential_changelist", ()),
        ("oauth_oauthtoken_changelist", ()),
        ("providers_credential_change", (account.pk,)),
        ("providers_credential_timeline", (account.pk,)),
    ):
        assert again in page(admin, name, *arguments)
    form = admin.get("/v0/oauth/kiro", {"new": "1", "credential": str(account.pk)}).content.decode()
    assert "mira@example.com" in form
    assert f'name="credential" value="{account.pk}"' in form


def test_who_may_not_log_in_is_offered_no_way_there(viewer: Client, account: Credential):
    reject(account)
    for name in ("providers_credential_changelist", "oauth_oauthtoken_changelist"):
        shown = page(viewer, name)
        assert "Log in again" in shown
        assert "/v0/oauth/kiro" not in shown


def test_the_timeline_shows_what_happened_newest_first(admin: Client, account: Credential):
    timeline.note(account.pk, EventKind.QUOTA, "agentic_request: 90 % used")
    reject(account)
    shown = page(admin, "providers_credential_timeline", account.pk)
    told = [shown.index(text) for text in ("refresh rejected", "agentic_request: 90 % used", "Connected by")]
    assert told == sorted(told)
    only = admin.get(reverse("admin:providers_credential_timeline", args=[account.pk]), {"kind": "login"})
    assert "refresh rejected" not in only.content.decode()
    assert "Connected by" in only.content.decode()


def test_a_long_timeline_comes_in_pages(admin: Client, account: Credential):
    for number in range(120):
        timeline.note(account.pk, EventKind.REFRESH, f"Renewed number {number:03d}")
    first = page(admin, "providers_credential_timeline", account.pk)
    assert "number 119" in first
    assert "number 010" not in first
    assert "page 1 of 2" in first


def test_the_timeline_is_for_those_who_may_see_credentials(
    key_manager: Client, viewer: Client, account: Credential
):
    address = reverse("admin:providers_credential_timeline", args=[account.pk])
    assert viewer.get(address).status_code == 200
    assert key_manager.get(address).status_code == 403
    assert viewer.get(reverse("admin:providers_credential_timeline", args=[10_000])).status_code == 404


def test_logins_are_looked_at_and_not_edited(admin: Client, account: Credential):
    assert "mira@example.com" in page(admin, "oauth_oauthtoken_changelist")
    token = OAuthToken.objects.get()
    row = admin.get(reverse("admin:oauth_oauthtoken_change", args=[token.pk]))
    assert row["location"] == reverse("admin:providers_credential_change", args=[account.pk])
    assert admin.get("/admin/oauth/oauthtoken/add/").status_code == 403
    assert admin.post(f"/admin/oauth/oauthtoken/{token.pk}/delete/").status_code == 403


def test_who_accepted_the_terms_can_be_looked_up(admin: Client, viewer: Client):
    begin(channel_for("kiro"), "builder-id", Beginner(name="Mira M.", via="page"))
    for browser in (admin, viewer):
        shown = page(browser, "oauth_loginattempt_changelist")
        assert "Mira M." in shown
        assert "Waiting" in shown


def test_a_kind_with_logins_leads_there_instead_of_asking_for_a_key(admin: Client):
    form = admin.get(reverse("admin:providers_provider_add")).content.decode()
    assert "/v0/oauth/kiro" in form
    answer = admin.post(reverse("admin:providers_provider_add"), {"adapter": "kiro"})
    assert "the login makes the provider" in answer.content.decode()
    assert not Credential.objects.exists()

"""What goes when a row goes: a credential takes its login and its timeline along; the page stays short."""

from __future__ import annotations

import pytest
from django.urls import reverse

from oauth.models import CredentialEvent, EventKind, OAuthToken
from providers import secrets
from providers.models import Credential, Provider
from tests.integration.admin.cast import browser_of, make_credential, make_person, make_provider

pytestmark = pytest.mark.django_db


@pytest.fixture
def login():
    credential = make_credential(make_provider(), kind="oauth", channel="claude", label="Ada")
    OAuthToken.objects.create(
        credential=credential, channel="claude", identity="ada@acme.example", grant_token=secrets.seal("{}")
    )
    for number in range(30):
        CredentialEvent.objects.create(
            credential=credential, kind=EventKind.REFRESH, message=f"Refreshed for the {number}. time"
        )
    return credential


@pytest.mark.parametrize("group", ["", "gateway admin"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_login_is_deleted_with_its_credential(login, group, whole):
    browser = browser_of(make_person("mira", group))
    row, page = (login.provider, "providers_provider") if whole else (login, "providers_credential")
    address = reverse(f"admin:{page}_delete", args=[row.pk])
    asked = browser.get(address).content.decode()
    assert "Yes, I’m sure" in asked
    assert "ada@acme.example" in asked
    assert "Refreshed for the" not in asked
    assert browser.post(address, {"post": "yes"}).status_code == 302
    assert not Credential.objects.exists()
    assert not OAuthToken.objects.exists()
    assert Provider.objects.exists() is not whole


@pytest.mark.parametrize("group", ["", "gateway admin"])
def test_logins_are_deleted_by_action(login, group):
    browser = browser_of(make_person("mira", group))
    chosen = {"action": "delete_selected", "_selected_action": login.pk, "post": "yes"}
    browser.post(reverse("admin:providers_credential_changelist"), chosen)
    assert not Credential.objects.exists()

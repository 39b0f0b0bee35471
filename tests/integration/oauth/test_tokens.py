"""What ``store_grant`` leaves in the database."""

from __future__ import annotations

import msgspec
import pytest

from oauth.flows.base import Grant
from oauth.models import CredentialEvent, OAuthToken, TokenStatus
from oauth.tokens import store_grant
from providers.entries import entry_of
from providers.models import Credential, Origin, Provider
from routing import discovery, revision
from tests.integration.oauth.makers import qwen_login

pytestmark = pytest.mark.django_db


def copilot_grant(**changes: object) -> Grant:
    grant = Grant(
        channel="github-copilot",
        access_token="canary-access",
        method="device",
        label="octo",
        account={"username": "octo", "api_base": "https://api.githubcopilot.com"},
        private={"github_token": "canary-github"},
        expires_at=4_000_000_000.0,
    )
    return msgspec.structs.replace(grant, **changes)


def test_a_login_makes_provider_credential_and_timeline(django_user_model):
    alice = django_user_model.objects.create_user("alice")
    before = revision.current()
    credential = store_grant(copilot_grant(), user=alice)
    assert revision.current() > before
    assert credential.provider.key == "github-copilot"
    assert (credential.kind, credential.label) == ("oauth", "octo")
    token = OAuthToken.objects.get(credential=credential)
    assert token.grant().private == {"github_token": "canary-github"}
    assert "canary" not in token.grant_token + str(token.account) + repr(token)
    (event,) = CredentialEvent.objects.filter(credential=credential)
    assert event.user == alice
    assert "octo" in event.message


def test_a_second_login_of_the_same_account_renews_the_credential():
    first = store_grant(copilot_grant())
    Credential.objects.filter(pk=first.pk).update(prefix="team", label="Ours", enabled=False)
    OAuthToken.objects.update(status=TokenStatus.LOGIN_NEEDED, last_error="gone", failures=3)
    second = store_grant(copilot_grant(access_token="new"))
    assert second.pk == first.pk
    assert (second.prefix, second.label, second.enabled) == ("team", "Ours", False)
    token = OAuthToken.objects.get()
    assert (token.version, token.status, token.last_error, token.failures) == (2, "ok", "", 0)
    assert token.grant().access_token == "new"


def test_another_account_is_another_credential():
    first = store_grant(copilot_grant())
    second = store_grant(copilot_grant(account={"username": "hubot"}, label="hubot"))
    assert first.pk != second.pk
    assert first.provider == second.provider


def test_accounts_that_nobody_can_tell_apart_stay_apart():
    assert store_grant(copilot_grant(account={})).pk != store_grant(copilot_grant(account={})).pk


def test_a_named_credential_is_logged_in_again():
    first = store_grant(copilot_grant(account={}))
    assert store_grant(copilot_grant(account={"username": "octo"}), credential=first).pk == first.pk
    assert OAuthToken.objects.get().identity == "octo"


def test_a_provider_of_the_configuration_file_takes_logins_in():
    Provider.objects.create(key="github-copilot", adapter="github-copilot", origin=Origin.FILE)
    assert store_grant(copilot_grant()).provider.origin == Origin.FILE


def test_a_provider_of_another_kind_is_left_alone():
    Provider.objects.create(key="github-copilot", adapter="openai")
    assert store_grant(copilot_grant()).provider.key == "github-copilot-login"
    assert store_grant(copilot_grant(account={"username": "b"})).provider.key == "github-copilot-login"


def test_the_hot_path_sees_the_access_token_and_the_account():
    credential = store_grant(copilot_grant())
    credential = Credential.objects.select_related("provider", "oauth_token").get(pk=credential.pk)
    credential.provider.adapter = "openai"  # any that this process knows
    entry = entry_of(credential)
    assert entry.secret == "canary-access"
    assert entry.channel == "github-copilot"
    assert entry.account["api_base"] == "https://api.githubcopilot.com"
    assert entry.secret_expires_at == 4_000_000_000.0
    assert entry.secret_version == 1
    assert "canary" not in repr(entry)


def test_a_list_of_models_is_asked_for_with_a_login_that_lives():
    """The first account of a provider may have ended for good; the others are asked in its place."""
    qwen_login(access="ended", life_s=-60, name="alice")
    qwen_login(access="lives", life_s=3600, name="bob")
    ((_, entry),) = discovery.waiting()
    assert entry.secret == "lives"

"""Logging in again: the same account renews its credential, another one becomes a credential of its own."""

from __future__ import annotations

import pytest

from oauth import attempts
from oauth.attempts import Beginner
from oauth.flows.base import Grant
from oauth.flows.registry import channel_for
from oauth.models import AttemptStatus, CredentialEvent, LoginAttempt, OAuthToken, TokenStatus
from oauth.tokens import store_grant
from providers import secrets
from providers.models import Credential
from tests.integration.admin.cast import make_person

pytestmark = pytest.mark.django_db
COPILOT = channel_for("github-copilot")


@pytest.fixture(autouse=True)
def keyring(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(secrets, "KEYRING", secrets.Keyring(tmp_path / "encryption_keys", []))


def grant(name: str, token: str = "first") -> Grant:
    account = {"username": name} if name else {}
    return Grant(
        channel="github-copilot",
        access_token=token,
        label=name,
        account=account,
        private={"github_token": token},
    )


def again(credential: Credential) -> LoginAttempt:
    user = make_person("ada", "gateway admin")
    beginner = Beginner(name="ada", via="page", user_id=user.pk)
    return attempts.begin(COPILOT, "device", beginner, renews=credential)[0]


def test_the_same_account_renews_its_credential():
    credential = store_grant(grant("octo"))
    OAuthToken.objects.update(status=TokenStatus.LOGIN_NEEDED, last_error="revoked")
    attempt = again(credential)
    attempts.complete(attempt.pk, COPILOT, grant("octo", "second"))
    attempt.refresh_from_db()
    assert (attempt.status, attempt.credential) == (AttemptStatus.SUCCESS, credential)
    token = OAuthToken.objects.get()
    assert (token.status, token.grant().access_token) == (TokenStatus.OK, "second")


def test_another_account_becomes_a_credential_of_its_own():
    credential = store_grant(grant("octo"))
    attempt = again(credential)
    attempts.complete(attempt.pk, COPILOT, grant("hubot", "second"))
    attempt.refresh_from_db()
    assert attempt.credential not in (None, credential)
    assert {token.grant().access_token for token in OAuthToken.objects.all()} == {"first", "second"}


def test_an_account_without_a_name_renews_what_it_was_to_renew():
    credential = store_grant(grant(""))
    attempt = again(credential)
    attempts.complete(attempt.pk, COPILOT, grant("", "second"))
    assert OAuthToken.objects.get().grant().access_token == "second"


def test_what_was_cancelled_before_is_not_stored():
    attempt = again(store_grant(grant("octo")))
    attempts.cancel(attempt.pk)
    attempts.complete(attempt.pk, COPILOT, grant("octo", "second"))
    assert OAuthToken.objects.get().grant().access_token == "first"


def test_a_login_again_that_fails_is_on_the_timeline():
    credential = store_grant(grant("octo"))
    attempt = again(credential)
    assert attempts.fail(attempt.pk, AttemptStatus.DENIED, "login_denied", "The person said no.")
    assert not attempts.fail(attempt.pk, AttemptStatus.DENIED, "login_denied", "The person said no.")
    events = CredentialEvent.objects.filter(credential=credential, cause="login_denied")
    assert [event.message for event in events] == ["Logging in again did not succeed: The person said no."]

"""What every channel makes of the answers to a refresh: new tokens, "log in again", or "not now"."""

from __future__ import annotations

import json

import pytest

from oauth.flows.base import Grant
from oauth.flows.errors import OAuthError, RefreshRejected, RefreshUnavailable
from oauth.flows.registry import BY_KEY
from tests.unit.oauth.flows.script import LOST, NOW, Vendor, sent
from tests.unit.oauth.flows.test_logins import jwt_of, settings_of

KIRO = {"auth_method": "idc", "region": "us-east-1", "provider": "AWS"}
GRANTS = {
    key: Grant(
        channel=key,
        access_token="old",
        refresh_token="refresh-1",
        account={"email": "a@b.c", "project_id": "p", **(KIRO if key == "kiro" else {})},
        private={"client_id": "c", "client_secret": "s"} if key == "kiro" else {},
    )
    for key in (
        "claude",
        "codex",
        "gemini-cli",
        "antigravity",
        "qwen",
        "iflow",
        "kimi",
        "kiro",
        "cursor",
        "minimax",
        "xai",
    )
}
CAMEL = {"kiro", "cursor"}


def good(key: str, **more: object) -> tuple[int, dict[str, object]]:
    names = (
        ("accessToken", "refreshToken", "expiresIn")
        if key in CAMEL
        else ("access_token", "refresh_token", "expires_in")
    )
    return 200, {names[0]: jwt_of(sub="s", exp=NOW + 60), names[1]: "refresh-2", names[2]: 3600, **more}


def refreshed(key: str, answer: object) -> tuple[Grant, Vendor]:
    after = [(200, {"data": {"apiKey": "k", "email": "a@b.c"}})] if key == "iflow" else []
    vendor = Vendor([answer, *after])
    settings = settings_of(key)
    if key == "xai":
        settings["token_url"] = "https://auth.x.ai/token"
    return vendor.run(BY_KEY[key].refresh(GRANTS[key], settings, NOW)), vendor


@pytest.mark.parametrize("key", sorted(GRANTS))
def test_tokens_rotate(key):
    grant, vendor = refreshed(key, good(key))
    assert grant.refresh_token == "refresh-2"
    assert grant.access_token not in ("", "old")
    assert grant.expires_at == NOW + 3600
    assert grant.refreshed_at == NOW
    assert grant.account.items() >= GRANTS[key].account.items()
    assert "refresh-1" in json.dumps(sent(vendor.calls[0])) + str(vendor.calls[0].headers)


@pytest.mark.parametrize("key", sorted(GRANTS))
def test_an_old_refresh_token_is_kept_where_none_comes(key):
    status, body = good(key)
    del body["refreshToken" if key in CAMEL else "refresh_token"]
    assert refreshed(key, (status, body))[0].refresh_token == "refresh-1"


@pytest.mark.parametrize("key", sorted(GRANTS))
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, {"error": "invalid_grant", "error_description": "Token revoked"}), RefreshRejected),
        ((400, {"error": {"code": "refresh_token_reused", "message": "used"}}), RefreshRejected),
        ((400, b""), RefreshRejected),
        ((401, {"error": "unauthorized"}), RefreshRejected),
        ((401, b"<html>"), RefreshRejected),
        ((403, {"error": "access_denied"}), RefreshRejected),
        ((403, b"<html>bot check</html>"), RefreshUnavailable),
        ((404, {}), RefreshUnavailable),
        ((408, {}), RefreshUnavailable),
        ((400, {"error": "temporarily_unavailable"}), RefreshUnavailable),
        ((429, {"error": "rate_limited"}, {"retry-after": "30"}), RefreshUnavailable),
        ((500, {"error": "server_error"}), RefreshUnavailable),
        ((503, b"busy"), RefreshUnavailable),
        ((302, b"", {"location": "https://elsewhere.example"}), RefreshUnavailable),
        ((200, b"nonsense"), RefreshUnavailable),
        ((200, b"[]"), RefreshUnavailable),
        ((200, {"expires_in": 5}), RefreshUnavailable),
        ((200, {"error": "invalid_grant"}), RefreshRejected),
        (LOST, RefreshUnavailable),
    ],
)
def test_refusals_are_terminal_or_passing(key, answer, kind):
    with pytest.raises(kind) as caught:
        refreshed(key, answer)
    if isinstance(answer, tuple) and answer[0] == 429:
        assert caught.value.retry_after_s == 30


@pytest.mark.parametrize("key", sorted(set(GRANTS) - {"kiro"}))
def test_a_wrong_client_is_the_operators_to_mend_and_ends_no_login(key):
    with pytest.raises(RefreshUnavailable, match="settings"):
        refreshed(key, (401, {"error": "invalid_client"}))


@pytest.mark.parametrize("key", sorted(GRANTS))
def test_nothing_to_refresh_with_is_a_rejection_without_a_call(key):
    vendor = Vendor([])
    bare = Grant(channel=key, access_token="a", account=GRANTS[key].account)
    with pytest.raises(OAuthError):
        vendor.run(BY_KEY[key].refresh(bare, settings_of(key, token_url="https://x.example"), NOW))
    assert vendor.calls == []


def test_iflow_keeps_its_rotated_token_when_the_key_cannot_be_fetched():
    vendor = Vendor([good("iflow"), LOST])
    grant = vendor.run(BY_KEY["iflow"].refresh(GRANTS["iflow"], settings_of("iflow"), NOW))
    assert (grant.refresh_token, grant.access_token) == ("refresh-2", "old")


def test_xai_asks_discovery_where_the_login_names_no_endpoint():
    found = (
        200,
        {"token_endpoint": "https://auth.x.ai/t", "device_authorization_endpoint": "https://auth.x.ai/d"},
    )
    vendor = Vendor([found, good("xai")])
    vendor.run(BY_KEY["xai"].refresh(GRANTS["xai"], settings_of("xai"), NOW))
    assert vendor.calls[1].url == "https://auth.x.ai/t"
    with pytest.raises(RefreshUnavailable):
        Vendor([LOST]).run(BY_KEY["xai"].refresh(GRANTS["xai"], settings_of("xai"), NOW))


def test_gemini_cli_learns_the_project_that_its_own_file_does_not_name():
    bare = Grant(channel="gemini-cli", access_token="a", refresh_token="r")
    loaded = (200, {"currentTier": {"id": "free-tier"}, "cloudaicompanionProject": "assigned"})
    assert not BY_KEY["gemini-cli"].is_complete(bare)
    vendor = Vendor([good("gemini-cli"), (200, {"email": "a@b.c"}), loaded])
    grant = vendor.run(BY_KEY["gemini-cli"].refresh(bare, settings_of("gemini-cli"), NOW))
    assert grant.account == {"email": "a@b.c", "project_id": "assigned"}
    vendor = Vendor([good("gemini-cli"), LOST, LOST])
    grant = vendor.run(BY_KEY["gemini-cli"].refresh(bare, settings_of("gemini-cli"), NOW))
    assert grant.refresh_token == "refresh-2"

from __future__ import annotations

import pytest

from oauth.flows.errors import LoginDenied, OAuthError, RefreshRejected, RefreshUnavailable
from oauth.flows.github_copilot import GitHubCopilot, quotas
from tests.unit.oauth.flows.script import LOST, NOW, Vendor, ask, sent

COPILOT = GitHubCopilot()
SETTINGS = dict(GitHubCopilot.defaults)
STARTED = (
    200,
    {
        "device_code": "dc",
        "user_code": "ABCD-1234",
        "verification_uri": "https://github.com/login/device",
        "expires_in": 900,
        "interval": 5,
    },
)
PENDING = (200, {"error": "authorization_pending"})
TOKEN = (200, {"access_token": "ghu_x", "token_type": "bearer", "scope": "user:email"})
USER = (200, {"login": "octo", "email": None})
MINTED = (
    200,
    {
        "token": "tid=1;exp=2",
        "expires_at": NOW + 1800,
        "refresh_in": 1500,
        "endpoints": {"api": "https://api.individual.githubcopilot.com"},
    },
)


def test_a_login_ends_with_copilots_own_token():
    vendor = Vendor([STARTED, PENDING, TOKEN, USER, MINTED])
    grant = vendor.run(COPILOT.login(ask("device"), SETTINGS))
    assert grant.access_token == "tid=1;exp=2"
    assert grant.private == {"github_token": "ghu_x"}
    assert grant.account["username"] == "octo"
    assert grant.account["api_base"] == "https://api.individual.githubcopilot.com"
    assert grant.expires_at == NOW + 1800
    assert sent(vendor.calls[0]) == {"client_id": "Iv1.b507a08c87ecfe98", "scope": "user:email"}
    assert dict(vendor.calls[-1].headers)["authorization"] == "token ghu_x"
    assert COPILOT.identity(grant) == "octo"
    assert COPILOT.can_refresh(grant)


def test_an_account_without_copilot_is_told_so():
    vendor = Vendor([STARTED, TOKEN, USER, (403, {"error_details": {"message": "No access"}})])
    with pytest.raises(OAuthError, match="cannot use Copilot") as caught:
        vendor.run(COPILOT.login(ask("device"), SETTINGS))
    assert not isinstance(caught.value, RefreshRejected)


def test_denied():
    with pytest.raises(LoginDenied):
        Vendor([STARTED, (200, {"error": "access_denied"})]).run(COPILOT.login(ask("device"), SETTINGS))


def test_a_foreign_api_host_is_not_believed():
    minted = (200, MINTED[1] | {"endpoints": {"api": "https://evil.example"}})
    grant = Vendor([USER, minted]).run(COPILOT.login(ask("token", token="gho_1"), SETTINGS))
    assert "api_base" not in grant.account
    minted = (200, MINTED[1] | {"endpoints": {"api": "http://127.0.0.1:9999"}})
    for own in ({"api_hosts": "127.0.0.1"}, {"copilot_token_url": "http://127.0.0.1:8888/token"}):
        grant = Vendor([USER, minted]).run(COPILOT.login(ask("token", token="gho_1"), SETTINGS | own))
        assert grant.account["api_base"] == "http://127.0.0.1:9999"
    grant = Vendor([USER, minted]).run(COPILOT.login(ask("token", token="gho_1"), SETTINGS))
    assert "api_base" not in grant.account


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((401, {"message": "Bad credentials"}), RefreshRejected),
        ((404, {}), RefreshRejected),
        ((429, {}, {"retry-after": "17"}), RefreshUnavailable),
        ((403, {"message": "No access"}), RefreshRejected),
        ((403, {"message": "API rate limit exceeded for user ID 1."}), RefreshUnavailable),
        ((403, {"message": "Forbidden"}, {"x-ratelimit-remaining": "0"}), RefreshUnavailable),
        ((403, b"<html>Are you human?</html>"), RefreshUnavailable),
        ((502, b"<html>"), RefreshUnavailable),
        (LOST, RefreshUnavailable),
    ],
)
def test_a_failed_second_stage(answer, kind):
    grant = COPILOT.from_file({"type": "github-copilot", "access_token": "ghu_x", "username": "octo"})
    with pytest.raises(kind) as caught:
        Vendor([answer]).run(COPILOT.refresh(grant, SETTINGS, NOW))
    if answer is not LOST and answer[0] == 429:
        assert caught.value.retry_after_s == 17


def test_files_of_the_proxy_and_of_the_editors():
    content = {
        "type": "github-copilot",
        "access_token": "ghu_x",
        "token_type": "bearer",
        "scope": "user:email",
        "username": "octo",
        "timestamp": 1_700_000_000_000,
        "api_token_expires_at": 1_700_000_000,
    }
    grant = COPILOT.from_file(content)
    assert grant.access_token == ""
    assert grant.expires_at is None
    assert grant.private == {"github_token": "ghu_x"}
    back = COPILOT.to_file(grant)
    assert {key: back[key] for key in ("type", "access_token", "username", "scope")} == {
        key: content[key] for key in ("type", "access_token", "username", "scope")
    }
    assert COPILOT.file_name(grant) == "github-copilot-octo.json"
    hosts = {"github.com": {"user": "octo", "oauth_token": "gho_y"}}
    assert COPILOT.from_file(hosts).private == {"github_token": "gho_y"}
    apps = {"github.com:Iv1.b507a08c87ecfe98": {"user": "octo", "oauth_token": "ghu_z", "githubAppId": "x"}}
    assert COPILOT.from_file(apps).account["username"] == "octo"


def test_quota_of_a_paid_plan():
    fields = {
        "quota_reset_date_utc": "2027-02-01T00:00:00.000Z",
        "quota_snapshots": {
            "chat": {"unlimited": True, "entitlement": 0, "remaining": 0, "percent_remaining": 100},
            "premium_interactions": {
                "entitlement": 300,
                "remaining": 0,
                "quota_remaining": 0,
                "percent_remaining": 0,
                "overage_permitted": False,
                "unlimited": False,
            },
        },
    }
    chat, premium = quotas(fields, ("gpt-4.1",))
    assert not chat.is_exhausted
    assert premium.is_exhausted
    assert premium.used == 300
    assert premium.resets_at == 1_801_440_000
    assert premium.spares == ("gpt-4.1",)


def test_quota_of_the_free_plan():
    fields = {
        "monthly_quotas": {"chat": 50, "completions": 2000},
        "limited_user_quotas": {"chat": 0, "completions": 1999},
        "limited_user_reset_date": "2027-02-01",
    }
    chat, completions = quotas(fields)
    assert chat.is_exhausted
    assert (chat.limit, chat.remaining, chat.used_percent) == (50, 0, 100)
    assert not completions.is_exhausted


EXPIRING = (
    200,
    TOKEN[1] | {"refresh_token": "ghr_1", "expires_in": 28800, "refresh_token_expires_in": 15897600},
)
RENEWED = (200, {"access_token": "ghu_2", "refresh_token": "ghr_2", "expires_in": 28800})


def test_quota_in_the_headers_of_an_answer():
    head = "x-quota-snapshot-"
    spent = "ent=300&ov=0.0&ovPerm=false&rem=0.0&rst=2027-02-01T00%3A00%3A00Z"
    headers = {head + "premium_interactions": spent, head + "chat": "ent=-1&ov=0.0&ovPerm=false&rem=100.0"}
    found = {quota.name: quota for quota in COPILOT.quotas_in(headers, SETTINGS, NOW)}
    premium = found["premium_interactions"]
    assert (premium.limit, premium.used, premium.remaining) == (300, 300, 0)
    assert (premium.used_percent, premium.is_exhausted) == (100, True)
    assert premium.resets_at == 1801440000.0
    assert "gpt-4.1" in premium.spares
    assert (found["chat"].limit, found["chat"].is_exhausted) == (None, False)
    paid = spent.replace("ovPerm=false", "ovPerm=true")
    (quota,) = COPILOT.quotas_in({head + "premium_interactions": paid}, SETTINGS, NOW)
    assert not quota.is_exhausted
    for nonsense in ("", "rem=1", "ent=x&rem=y", "%%%"):
        assert COPILOT.quotas_in({head + "chat": nonsense}, SETTINGS, NOW) == ()


def test_a_github_token_that_ends_is_renewed_before_copilots():
    grant = Vendor([STARTED, EXPIRING, USER, MINTED]).run(COPILOT.login(ask("device"), SETTINGS))
    assert (grant.refresh_token, grant.private["github_expires_at"]) == ("ghr_1", str(int(NOW + 5 + 28800)))
    vendor = Vendor([MINTED])
    vendor.run(COPILOT.refresh(grant, SETTINGS, NOW))  # it has hours to go
    assert len(vendor.calls) == 1
    vendor = Vendor([RENEWED, MINTED], now=NOW + 28800)
    renewed = vendor.run(COPILOT.refresh(grant, SETTINGS, NOW + 28800))
    assert sent(vendor.calls[0])["refresh_token"] == "ghr_1"
    assert dict(vendor.calls[1].headers)["authorization"] == "token ghu_2"
    assert (renewed.refresh_token, renewed.private["github_token"]) == ("ghr_2", "ghu_2")
    # a single-use token that was rotated is kept even when Copilot cannot answer
    kept = Vendor([RENEWED, (503, b"")], now=NOW + 28800).run(COPILOT.refresh(grant, SETTINGS, NOW + 28800))
    assert kept.refresh_token == "ghr_2"
    with pytest.raises(RefreshRejected):
        Vendor([(200, {"error": "bad_refresh_token"})]).run(COPILOT.refresh(grant, SETTINGS, NOW + 28800))


def test_a_file_with_githubs_refresh_token_goes_round():
    content = {
        "type": "github-copilot",
        "access_token": "ghu_1",
        "refresh_token": "ghr_1",
        "expires_at": "2099-01-01T00:00:00Z",
        "username": "octo",
    }
    grant = COPILOT.from_file(content)
    assert (grant.access_token, grant.refresh_token, grant.expires_at) == ("", "ghr_1", None)
    assert COPILOT.to_file(grant) == content

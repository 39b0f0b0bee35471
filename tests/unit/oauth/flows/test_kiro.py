from __future__ import annotations

import json

import msgspec
import pytest

from oauth.flows.base import Grant
from oauth.flows.errors import LoginDenied, OAuthError, RefreshRejected, RefreshUnavailable
from oauth.flows.kiro import Kiro, quotas
from tests.unit.oauth.flows.script import LOST, NOW, Vendor, ask, sent

KIRO = Kiro()
SETTINGS = dict(Kiro.defaults)
REGISTERED = (200, {"clientId": "cid", "clientSecret": "csecret", "clientSecretExpiresAt": 1_807_776_000})
STARTED = (
    200,
    {
        "deviceCode": "dc",
        "userCode": "ABCD-EFGH",
        "verificationUri": "https://device.sso.example/",
        "verificationUriComplete": "https://device.sso.example/?user_code=ABCD-EFGH",
        "expiresIn": 600,
        "interval": 1,
    },
)
TOKENS = (200, {"accessToken": "aoa-1", "refreshToken": "aor-1", "expiresIn": 3600})
PROFILE = (200, {"profiles": [{"arn": "arn:aws:codewhisperer:eu-central-1:123456789012:profile/ABC"}]})
USAGE = (200, {"userInfo": {"email": "alice@example.com", "userId": "u-1"}, "usageBreakdownList": []})


def test_a_builder_id_login_registers_shows_a_code_and_learns_whose_it_is():
    vendor = Vendor([REGISTERED, STARTED, (400, {"error": "authorization_pending"}), TOKENS, PROFILE, USAGE])
    grant = vendor.run(KIRO.login(ask("builder-id"), SETTINGS))
    assert (grant.access_token, grant.refresh_token, grant.expires_at) == ("aoa-1", "aor-1", NOW + 10 + 3600)
    assert grant.private["client_id"] == "cid"
    assert grant.private["client_secret"] == "csecret"
    assert grant.account["email"] == "alice@example.com"
    assert grant.account["profile_arn"].endswith("profile/ABC")
    assert grant.account["api_region"] == "eu-central-1"
    assert grant.account["auth_method"] == "builder-id"
    register, begin = vendor.calls[:2]
    assert register.url == "https://oidc.us-east-1.amazonaws.com/client/register"
    assert sent(register)["clientType"] == "public"
    assert sent(begin)["startUrl"] == "https://view.awsapps.com/start"
    assert vendor.shown.user_code == "ABCD-EFGH"


def test_identity_center_uses_its_own_region_and_start_url():
    vendor = Vendor([REGISTERED, STARTED, TOKENS, PROFILE, USAGE])
    given = ask("idc", start_url="https://d-1234567890.awsapps.com/start", region="eu-central-1")
    grant = vendor.run(KIRO.login(given, SETTINGS))
    assert vendor.calls[0].url.startswith("https://oidc.eu-central-1.amazonaws.com/")
    assert sent(vendor.calls[1])["startUrl"] == "https://d-1234567890.awsapps.com/start"
    assert grant.account["region"] == "eu-central-1"
    assert KIRO.identity(grant) == "u-1|https://d-1234567890.awsapps.com/start"


@pytest.mark.parametrize(
    "values",
    [
        {"start_url": "http://d-1.awsapps.com/start"},
        {"start_url": "https://user@d-1.awsapps.com/start"},
        {"start_url": "https://localhost/start"},
        {"start_url": "https://10.0.0.1/start"},
        {"start_url": "https://[::1]/start"},
        {"start_url": "https://[::1/start"},
        {"start_url": "https://2130706433/start"},
        {"start_url": "https://0x7f.1/start"},
        {"start_url": "https://intranet/start"},
        {"start_url": "https://sso.corp.internal/start"},
        {"start_url": "https://d-1.awsapps.com:99999/start"},
        {"start_url": ""},
        {"start_url": "https://d-1.awsapps.com/start", "region": "nowhere"},
        {"start_url": "https://d-1.awsapps.com/start", "region": "us-east-1.evil.example/"},
    ],
)
def test_an_unsafe_start_url_or_region_is_refused_before_any_call(values):
    vendor = Vendor([])
    with pytest.raises(OAuthError):
        vendor.run(KIRO.login(ask("idc", **values), SETTINGS))
    assert vendor.calls == []


def test_denial_in_aws_words_is_a_denial():
    vendor = Vendor([REGISTERED, STARTED, (400, {"__type": "x#AccessDeniedException"})])
    with pytest.raises(LoginDenied):
        vendor.run(KIRO.login(ask("builder-id"), SETTINGS))


def test_a_profile_that_cannot_be_read_does_not_fail_the_login():
    vendor = Vendor([REGISTERED, STARTED, TOKENS, LOST, (403, b""), (500, b"")])
    grant = vendor.run(KIRO.login(ask("builder-id"), SETTINGS))
    assert grant.access_token == "aoa-1"
    assert "profile_arn" not in grant.account


def kiro_file(**more: object) -> dict[str, object]:
    return {
        "accessToken": "aoa-2",
        "refreshToken": "aorAAAAAG2",
        "profileArn": "arn:aws:codewhisperer:us-east-1:123456789012:profile/XYZ",
        "expiresAt": "2099-01-01T00:00:00.123456789Z",
        "authMethod": "IdC",
        "provider": "Enterprise",
        "clientId": "cid",
        "clientSecret": "cs",
        "region": "us-east-1",
        **more,
    }


def test_the_file_of_the_ide_is_read():
    grant = KIRO.from_file(kiro_file())
    assert grant.access_token == "aoa-2"
    assert grant.account["auth_method"] == "idc"
    assert grant.account["profile_arn"].endswith("XYZ")
    assert grant.private == {"client_id": "cid", "client_secret": "cs"}
    assert grant.expires_at == pytest.approx(4070908800.123456)


def test_a_pasted_file_that_has_ended_is_renewed_at_once():
    vendor = Vendor([TOKENS, USAGE])
    content = json.dumps(kiro_file(expiresAt="2020-01-01T00:00:00Z"))
    grant = vendor.run(KIRO.login(ask("import", content=content), SETTINGS))
    assert grant.access_token == "aoa-1"
    assert grant.account["email"] == "alice@example.com"


def test_a_refresh_token_is_proved_by_an_exchange():
    vendor = Vendor([(200, TOKENS[1] | {"profileArn": "arn:aws:codewhisperer:us-east-1:1:profile/P"}), USAGE])
    grant = vendor.run(KIRO.login(ask("refresh-token", refresh_token="aorAAAAAGtoken"), SETTINGS))
    assert vendor.calls[0].url.endswith("/refreshToken")
    assert sent(vendor.calls[0]) == {"refreshToken": "aorAAAAAGtoken"}
    assert grant.account["profile_arn"].endswith("profile/P")
    with pytest.raises(OAuthError):
        Vendor([]).run(KIRO.login(ask("refresh-token", refresh_token="nonsense"), SETTINGS))


def test_an_oidc_refresh_sends_the_registration_and_keeps_what_is_not_sent_back():
    grant = KIRO.from_file(kiro_file(region="eu-west-1"))
    vendor = Vendor([(200, {"accessToken": "aoa-3", "expiresIn": 3600})])
    renewed = vendor.run(KIRO.refresh(grant, SETTINGS, NOW))
    assert vendor.calls[0].url == "https://oidc.eu-west-1.amazonaws.com/token"
    assert sent(vendor.calls[0]) == {
        "clientId": "cid",
        "clientSecret": "cs",
        "refreshToken": "aorAAAAAG2",
        "grantType": "refresh_token",
    }
    assert (renewed.access_token, renewed.refresh_token) == ("aoa-3", "aorAAAAAG2")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, {"error": "invalid_grant"}), RefreshRejected),
        ((400, {"error": "invalid_client"}), RefreshRejected),
        ((401, {"message": "no"}), RefreshRejected),
        ((429, {}), RefreshUnavailable),
        ((500, b"oops"), RefreshUnavailable),
        ((200, {}), RefreshUnavailable),
        ((200, b"\xff"), RefreshUnavailable),
        (LOST, RefreshUnavailable),
    ],
)
def test_a_failed_refresh_is_terminal_or_passing(answer, kind):
    with pytest.raises(kind):
        Vendor([answer]).run(KIRO.refresh(KIRO.from_file(kiro_file()), SETTINGS, NOW))


def test_without_a_registration_an_oidc_login_cannot_be_renewed():
    grant = msgspec.structs.replace(KIRO.from_file(kiro_file()), private={})
    assert not KIRO.can_refresh(grant)
    with pytest.raises(RefreshRejected):
        Vendor([]).run(KIRO.refresh(grant, SETTINGS, NOW))


def test_a_file_goes_out_as_it_came_in():
    content = {
        "type": "kiro",
        "access_token": "a",
        "refresh_token": "r",
        "profile_arn": "arn:aws:codewhisperer:eu-central-1:1:profile/p",
        "expires_at": "2026-01-01T00:00:00Z",
        "auth_method": "idc",
        "provider": "AWS",
        "client_id": "c",
        "client_secret": "s",
        "region": "eu-central-1",
        "start_url": "https://d-xxxxxxxxxx.awsapps.com/start",
        "email": "user@example.com",
        "somebody_elses_key": [1, 2],
    }
    grant = KIRO.from_file(content)
    assert KIRO.to_file(grant) == content
    assert KIRO.file_name(grant) == "kiro-idc-user-example-com.json"


def test_usage_counts_the_free_trial_and_reads_resets_in_either_unit():
    entry = {
        "resourceType": "AGENTIC_REQUEST",
        "usageLimitWithPrecision": 50.0,
        "currentUsageWithPrecision": 50.0,
        "nextDateReset": 1_800_100_000_000,
        "freeTrialInfo": {
            "freeTrialStatus": "ACTIVE",
            "usageLimitWithPrecision": 500.0,
            "currentUsageWithPrecision": 20.0,
        },
    }
    (quota,) = quotas({"usageBreakdownList": [entry]})
    assert (quota.limit, quota.used, quota.remaining) == (550.0, 70.0, 480.0)
    assert quota.resets_at == 1_800_100_000
    assert not quota.is_exhausted
    spent = entry | {"freeTrialInfo": None, "nextDateReset": 1_800_100_000}
    (quota,) = quotas({"usageBreakdownList": [spent]})
    assert quota.is_exhausted
    assert quota.resets_at == 1_800_100_000


def test_nothing_secret_is_in_a_repr():
    grant = Grant(channel="kiro", access_token="aoa-canary", refresh_token="aor-canary", label="alice")
    assert "canary" not in repr(grant)

"""Every channel's login from the first call to the grant, by hand. Refusals common to all are in
``test_refusals.py``, files in ``tests/integration/auth_dir``."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from oauth.flows import pkce
from oauth.flows.base import Callback, ShowCode
from oauth.flows.errors import LoginDenied, LoginExpired, LoginMismatch, OAuthError
from oauth.flows.registry import BY_KEY, CHANNELS
from tests.unit.oauth.flows.script import LOST, NOW, SEED, Vendor, ask, sent

REDIRECT = {"claude": "http://localhost:54545/callback", "codex": "http://localhost:1455/auth/callback"}


def settings_of(key: str, **changes: str) -> dict[str, str]:
    channel = BY_KEY[key]
    return {
        **dict.fromkeys([name for name, _ in channel.required_settings], "s3cret"),
        **channel.defaults,
        **changes,
    }


def jwt_of(**claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}.{part('signature')}"


def query_of(vendor: Vendor) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(vendor.page.url).query))


def login(key: str, vendor: Vendor, method: str = "", /, **values: str):
    return vendor.run(BY_KEY[key].login(ask(method, **values), settings_of(key)))


# --- claude and codex --------------------------------------------------------------------------


CLAUDE = (
    200,
    {
        "access_token": "sk-ant-oat-1",
        "refresh_token": "sk-ant-ort-1",
        "expires_in": 28800,
        "account": {"uuid": "u-1", "email_address": "alice@example.com"},
        "organization": {"uuid": "o-1", "name": "Example"},
    },
)


def test_claude_signs_in_with_pkce_and_a_state_behind_the_code():
    state = pkce.state(SEED)
    vendor = Vendor([CLAUDE], back=Callback(code=f"abc#{state}"))
    grant = login("claude", vendor, "code")
    query = query_of(vendor)
    assert vendor.page.redirect_uri == query["redirect_uri"] == REDIRECT["claude"]
    assert (query["code"], query["response_type"], query["state"]) == ("true", "code", state)
    assert query["code_challenge"] == pkce.challenge(pkce.verifier(SEED))
    assert sent(vendor.calls[0]) == {
        "grant_type": "authorization_code",
        "code": "abc",
        "redirect_uri": REDIRECT["claude"],
        "client_id": "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
        "code_verifier": pkce.verifier(SEED),
        "state": state,
    }
    assert (grant.access_token, grant.refresh_token) == ("sk-ant-oat-1", "sk-ant-ort-1")
    assert grant.expires_at == NOW + 28800
    assert grant.account["email"] == grant.label == "alice@example.com"
    assert BY_KEY["claude"].identity(grant) == "u-1|o-1"


def test_claude_asks_for_the_profile_where_the_tokens_tell_nothing():
    bare = (200, {"access_token": "a", "refresh_token": "r", "expires_in": 60})
    profile = (200, {"account": {"uuid": "u", "email": "bob@example.com"}, "organization": {"uuid": "o"}})
    grant = login("claude", Vendor([bare, profile]), "code")
    assert grant.account["email"] == "bob@example.com"
    assert login("claude", Vendor([bare, LOST]), "code").access_token == "a"


def test_claude_takes_a_setup_token_without_any_call():
    vendor = Vendor([])
    grant = login("claude", vendor, "setup-token", token=" sk-ant-oat01-x ")
    assert (grant.access_token, vendor.calls) == ("sk-ant-oat01-x", [])
    assert not BY_KEY["claude"].can_refresh(grant)


CODEX_ID = jwt_of(
    email="alice@example.com",
    **{"https://api.openai.com/auth": {"chatgpt_account_id": "acc-1", "chatgpt_plan_type": "pro"}},
)
CODEX = (200, {"access_token": "at", "refresh_token": "rt", "id_token": CODEX_ID, "expires_in": 864000})


def test_codex_signs_in_and_reads_the_id_token():
    vendor = Vendor([CODEX])
    grant = login("codex", vendor, "code")
    query = query_of(vendor)
    assert query["codex_cli_simplified_flow"] == "true"
    assert query["scope"] == "openid email profile offline_access"
    assert sent(vendor.calls[0])["code_verifier"] == pkce.verifier(SEED)
    assert grant.account["account_id"] == "acc-1"
    assert grant.account["plan"] == "pro"
    assert BY_KEY["codex"].file_name(grant) == "codex-cf9df9b9-alice@example.com-pro.json"


def test_codex_device_flow_waits_through_403_and_uses_the_servers_verifier():
    begun = (200, {"device_auth_id": "da", "user_code": "WXYZ", "interval": "5"})
    granted = (200, {"authorization_code": "ac", "code_verifier": "cv", "code_challenge": "cc"})
    vendor = Vendor([begun, (403, {"error": {"code": "pending"}}), (404, {}), granted, CODEX])
    grant = login("codex", vendor, "device")
    assert vendor.shown.verification_url == "https://auth.openai.com/codex/device"
    assert sent(vendor.calls[1]) == {"device_auth_id": "da", "user_code": "WXYZ"}
    assert sent(vendor.calls[-1])["redirect_uri"] == "https://auth.openai.com/deviceauth/callback"
    assert sent(vendor.calls[-1])["code_verifier"] == "cv"
    assert grant.method == "device"
    with pytest.raises(OAuthError, match="not enabled"):
        login("codex", Vendor([(404, {})]), "device")


# --- Google ------------------------------------------------------------------------------------

GOOGLE = (200, {"access_token": "ya29", "refresh_token": "1//r", "expires_in": 3599, "token_type": "Bearer"})
EMAIL = (200, {"email": "alice@example.com"})


def test_gemini_cli_gets_the_project_that_google_assigns():
    loaded = (200, {"allowedTiers": [{"id": "free-tier", "isDefault": True}]})
    doing = (200, {"name": "operations/1", "done": False})
    done = (200, {"done": True, "response": {"cloudaicompanionProject": {"id": "assigned-1"}}})
    vendor = Vendor([GOOGLE, EMAIL, loaded, doing, (503, b""), LOST, done])
    grant = login("gemini-cli", vendor, "code")
    query = query_of(vendor)
    assert (query["access_type"], query["prompt"]) == ("offline", "consent")
    assert vendor.page.redirect_uri == "http://localhost:8085/oauth2callback"
    assert sent(vendor.calls[0])["client_secret"] == "s3cret"
    onboard = sent(vendor.calls[3])
    assert onboard["tierId"] == "free-tier"
    assert "cloudaicompanionProject" not in onboard
    assert vendor.waits == [5, 5, 5]
    assert grant.account == {"email": "alice@example.com", "project_id": "assigned-1"}


def test_gemini_cli_keeps_the_project_that_was_asked_for_and_turns_its_api_on():
    loaded = (200, {"currentTier": {"id": "standard-tier"}, "cloudaicompanionProject": "mine"})
    vendor = Vendor([GOOGLE, EMAIL, loaded, (200, {"state": "DISABLED"}), (200, {})])
    grant = login("gemini-cli", vendor, "code", project_id="mine")
    assert grant.account["project_id"] == "mine"
    assert vendor.calls[-1].url.endswith("/mine/services/cloudaicompanion.googleapis.com:enable")


def test_gemini_cli_takes_every_project_that_can_be_used():
    projects = (200, {"projects": [{"projectId": "a"}, {"projectId": "b"}, {"projectId": "c"}]})
    good = (200, {"currentTier": {"id": "standard-tier"}, "cloudaicompanionProject": "x"})
    vendor = Vendor([GOOGLE, EMAIL, projects, good, (403, {"error": {"message": "no"}}), good])
    assert login("gemini-cli", vendor, "code", project_id="ALL").account["project_id"] == "a,c"


def test_gemini_cli_tells_why_an_account_cannot_be_used():
    tier = {"reasonCode": "VALIDATION_REQUIRED", "validationUrl": "https://accounts.example/validate"}
    with pytest.raises(OAuthError, match=r"https://accounts\.example/validate"):
        login("gemini-cli", Vendor([GOOGLE, EMAIL, (200, {"ineligibleTiers": [tier]})]), "code")


@pytest.mark.parametrize("key", ["gemini-cli", "antigravity", "iflow"])
def test_without_the_operators_secret_no_vendor_is_called(key):
    vendor = Vendor([])
    with pytest.raises(OAuthError, match="CLIENT_SECRET"):
        vendor.run(BY_KEY[key].login(ask("code"), settings_of(key, client_secret="")))
    assert vendor.steps == []


def test_antigravity_onboards_and_is_kept_without_a_project():
    loaded = (200, {"allowedTiers": [{"id": "free-tier", "isDefault": True}]})
    done = (200, {"done": True, "response": {"cloudaicompanionProject": {"id": "p-1"}}})
    vendor = Vendor([GOOGLE, EMAIL, loaded, done])
    assert login("antigravity", vendor, "code").account["project_id"] == "p-1"
    assert sent(vendor.calls[3])["metadata"] == {"ide_type": "ANTIGRAVITY"}
    grant = login("antigravity", Vendor([GOOGLE, EMAIL, (500, b""), *[LOST] * 5]), "code")
    assert "project_id" not in grant.account
    with pytest.raises(OAuthError):
        login("antigravity", Vendor([GOOGLE, (500, b"")]), "code")


@pytest.fixture(scope="module")
def service_account() -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return {
        "type": "service_account",
        "project_id": "proj",
        "private_key_id": "kid-1",
        "private_key": pem,
        "client_email": "robot@proj.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.example/token",
    }


def test_vertex_signs_an_assertion(service_account):
    vendor = Vendor([(200, {"access_token": "ya29.v", "expires_in": 3600})])
    grant = login("vertex", vendor, "service-account", content=json.dumps(service_account), location="global")
    form = sent(vendor.calls[0])
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    header, payload, _ = form["assertion"].split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {
        "typ": "JWT",
        "alg": "RS256",
        "kid": "kid-1",
    }
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert claims["iss"] == service_account["client_email"]
    assert claims["aud"] == vendor.calls[0].url == "https://oauth2.example/token"
    assert claims["exp"] - claims["iat"] == 3600
    assert grant.access_token == "ya29.v"
    assert grant.account["location"] == "global"


def test_vertex_repairs_a_key_that_a_terminal_mangled(service_account):
    mangled = service_account["private_key"].replace("\n", "\r\n  ")
    content = json.dumps(service_account | {"private_key": f"\x1b[32m{mangled}\x1b[0m"})
    assert login("vertex", Vendor([LOST]), "service-account", content=content).account["project_id"] == "proj"


@pytest.mark.parametrize("change", [{"private_key": "nonsense"}, {"client_email": ""}, {"project_id": ""}])
def test_vertex_refuses_a_key_that_cannot_sign(service_account, change):
    with pytest.raises(OAuthError, match=r"invalid service account|project_id missing"):
        login("vertex", Vendor([]), "service-account", content=json.dumps(service_account | change))


# --- the other device flows --------------------------------------------------------------------

DEVICE = (
    200,
    {
        "device_code": "dc",
        "user_code": "UC-1",
        "verification_uri": "https://vendor.example/device",
        "verification_uri_complete": "https://vendor.example/device?c=UC-1",
        "expires_in": 600,
        "interval": 5,
    },
)
PENDING = (400, {"error": "authorization_pending"})


def test_qwen_sends_a_challenge_and_keeps_the_host():
    tokens = (
        200,
        {"access_token": "a", "refresh_token": "r", "expires_in": 21600, "resource_url": "portal.qwen.ai"},
    )
    vendor = Vendor([DEVICE, PENDING, (429, b""), tokens])
    grant = login("qwen", vendor, "device", label="alice@example.com")
    assert sent(vendor.calls[0])["code_challenge_method"] == "S256"
    assert sent(vendor.calls[1])["code_verifier"] == pkce.verifier(SEED)
    assert vendor.waits == [5, 5, 10]
    assert grant.account == {"email": "alice@example.com", "resource_url": "portal.qwen.ai"}
    assert BY_KEY["qwen"].file_name(grant) == "qwen-alice@example.com.json"


def test_kimi_names_its_device_in_every_call():
    tokens = (200, {"access_token": jwt_of(sub="user-7"), "refresh_token": "r", "expires_in": 900.5})
    vendor = Vendor([DEVICE, (200, {"error": "authorization_pending"}), tokens])
    grant = login("kimi", vendor, "device")
    device_ids = {dict(call.headers)["x-msh-device-id"] for call in vendor.calls}
    assert device_ids == {grant.account["device_id"]}
    assert grant.expires_at == NOW + 10 + 900.5
    assert BY_KEY["kimi"].identity(grant) == "user-7|"


def test_kilo_polls_its_own_codes_and_picks_the_organisation():
    begun = (200, {"code": "K 1", "verificationUrl": "https://kilo.example/d", "expiresIn": 600})
    approved = (200, {"status": "approved", "token": "kt", "userEmail": "alice@example.com"})
    profile = (
        200,
        {
            "email": "alice@example.com",
            "organizations": [{"id": "o1", "name": "One"}, {"id": "o2", "name": "Two"}],
        },
    )
    vendor = Vendor([begun, (202, {"status": "pending"}), approved, profile, (200, {"model": "m"})])
    grant = login("kilo", vendor, "device", organization="Two")
    assert vendor.calls[1].url.endswith("/codes/K%201")
    assert grant.access_token == "kt"
    assert grant.account == {"email": "alice@example.com", "organization_id": "o2", "model": "m"}
    for status, kind in ((403, LoginDenied), (410, LoginExpired)):
        with pytest.raises(kind):
            login("kilo", Vendor([begun, (status, {})]), "device")
    with pytest.raises(LoginDenied):
        login("kilo", Vendor([begun, (200, {"status": "denied"})]), "device")


def test_cursor_shows_a_link_without_a_code_and_polls():
    token = jwt_of(sub="auth0|user_1", exp=NOW + 3600)
    vendor = Vendor([(404, b""), (404, b""), (200, {"accessToken": token, "refreshToken": "r"})])
    grant = login("cursor", vendor, "page")
    assert vendor.shown.user_code == ""
    query = parse_qs(urlsplit(vendor.shown.verification_url).query)
    polled = parse_qs(urlsplit(vendor.calls[0].url).query)
    assert query["uuid"] == polled["uuid"]
    assert query["challenge"] == [pkce.challenge(polled["verifier"][0])]
    assert vendor.waits == pytest.approx([1, 1.2, 1.44])
    assert grant.expires_at == NOW + 3600
    with pytest.raises(LoginDenied):
        login("cursor", Vendor([(403, {"error": "sign_in_policy_violation"})]), "page")


def test_minimax_checks_the_state_that_comes_back():
    begun = {
        "user_code": "M",
        "verification_uri": "https://mm.example",
        "expired_in": (NOW + 300) * 1000,
        "interval": 2000,
    }
    good = (200, begun | {"state": pkce.state(SEED)})
    tokens = (200, {"status": "success", "access_token": "a", "refresh_token": "r", "expired_in": 3600})
    vendor = Vendor([good, (200, {"status": "pending"}), tokens])
    grant = login("minimax", vendor, "device")
    assert isinstance(vendor.steps[1], ShowCode)
    assert (vendor.shown.expires_in_s, vendor.shown.interval_s) == (300, 2)
    assert grant.expires_at == NOW + 4 + 3600
    with pytest.raises(LoginMismatch):
        login("minimax", Vendor([(200, begun | {"state": "another"})]), "device")
    with pytest.raises(LoginDenied):
        login("minimax", Vendor([good, (200, {"status": "error"})]), "device")
    with pytest.raises(OAuthError, match="no token"):
        login("minimax", Vendor([good, (200, {"status": "success"})]), "device")


XAI = (
    200,
    {
        "device_authorization_endpoint": "https://auth.x.ai/device",
        "token_endpoint": "https://auth.x.ai/token",
        "authorization_endpoint": "https://auth.x.ai/authorize",
    },
)


def test_xai_discovers_its_endpoints():
    tokens = (
        200,
        {
            "access_token": "a",
            "refresh_token": "r",
            "id_token": jwt_of(email="a@b.c", sub="s"),
            "expires_in": 60,
        },
    )
    vendor = Vendor([XAI, DEVICE, PENDING, tokens])
    grant = login("xai", vendor, "device")
    assert [call.url for call in vendor.calls[1:3]] == ["https://auth.x.ai/device", "https://auth.x.ai/token"]
    assert grant.account["token_endpoint"] == "https://auth.x.ai/token"
    assert grant.account["sub"] == "s"
    vendor = Vendor([XAI, tokens])
    grant = login("xai", vendor, "code")
    assert vendor.page.redirect_uri == "http://127.0.0.1:56121/callback"
    assert "nonce" in query_of(vendor)


def test_xai_asks_nobody_for_addresses_that_are_set():
    own = {"authorize_url": "http://127.0.0.1:9/a", "token_url": "http://127.0.0.1:9/t"}
    vendor = Vendor([(200, {"access_token": "a", "refresh_token": "r", "expires_in": 60})])
    vendor.run(BY_KEY["xai"].login(ask("code"), settings_of("xai", **own)))
    assert [call.url for call in vendor.calls] == ["http://127.0.0.1:9/t"]
    named = (
        200,
        {"token_endpoint": "https://auth.x.ai/t", "device_authorization_endpoint": "https://x.ai/d"},
    )
    with pytest.raises(OAuthError, match="names no authorization_endpoint"):
        Vendor([named]).run(BY_KEY["xai"].login(ask("code"), settings_of("xai")))


def test_xai_does_not_follow_discovery_out_of_its_domain():
    elsewhere = (200, {**XAI[1], "token_endpoint": "https://x.ai.evil.example/token"})
    with pytest.raises(OAuthError, match="within its own domain"):
        login("xai", Vendor([elsewhere]), "device")


# --- keys, cookies and pages without a code ----------------------------------------------------


def test_iflow_signs_in_and_fetches_the_key():
    tokens = (200, {"access_token": "oa", "refresh_token": "or", "expires_in": 86400, "token_type": "bearer"})
    user = (200, {"success": True, "data": {"apiKey": "sk-if", "phone": "123"}})
    vendor = Vendor([tokens, user])
    grant = login("iflow", vendor, "code")
    assert query_of(vendor)["redirect"] == "http://localhost:11451/oauth2callback"
    assert dict(vendor.calls[0].headers)["authorization"].startswith("Basic ")
    assert (grant.access_token, grant.private["oauth_access_token"]) == ("sk-if", "oa")
    assert grant.account["email"] == "123"
    with pytest.raises(OAuthError):
        login("iflow", Vendor([tokens, (200, {"success": True, "data": {"email": "a@b.c"}})]), "code")


def test_iflow_takes_a_cookie():
    info = (200, {"success": True, "data": {"name": "alice", "apiKeyMask": "sk-…"}})
    key = (
        200,
        {"success": True, "data": {"name": "alice", "apiKey": "sk-if2", "expireTime": "2027-02-01 10:30"}},
    )
    vendor = Vendor([info, key])
    grant = login("iflow", vendor, "cookie", cookie="a=b; BXAuth=xyz; c=d")
    assert dict(vendor.calls[0].headers)["cookie"] == "BXAuth=xyz;"
    assert sent(vendor.calls[1]) == {"name": "alice"}
    assert grant.access_token == "sk-if2"
    assert BY_KEY["iflow"].lead_s(grant) == 48 * 3600
    with pytest.raises(OAuthError, match="BXAuth"):
        login("iflow", Vendor([]), "cookie", cookie="a=b")


def test_roo_sends_its_token_back_as_the_code():
    vendor = Vendor([], back=Callback(code="roo-token", state=pkce.state(SEED)))
    grant = login("roo", vendor, "code")
    assert query_of(vendor)["callback"] == "http://127.0.0.1:49732/callback"
    assert grant.access_token == "roo-token"


@pytest.mark.parametrize(
    ("key", "method", "field"),
    [
        ("ampcode", "key", "key"),
        ("roo", "token", "token"),
        ("minimax", "token", "token"),
        ("cursor", "bridge-key", "key"),
    ],
)
def test_a_pasted_key_needs_no_call(key, method, field):
    vendor = Vendor([])
    assert login(key, vendor, method, **{field: " k-1 "}).access_token == "k-1"
    with pytest.raises(OAuthError):
        login(key, Vendor([]), method, **{field: " "})


# --- all of them -------------------------------------------------------------------------------

BY_PAGE = ["claude", "codex", "gemini-cli", "antigravity", "iflow", "roo"]


@pytest.mark.parametrize("key", BY_PAGE)
@pytest.mark.parametrize(
    ("back", "kind"),
    [
        (Callback(code="c", state="wrong"), LoginMismatch),
        (Callback(code="c"), LoginMismatch),
        (Callback(error="access_denied", state=pkce.state(SEED)), LoginDenied),
        (Callback(error="server_error", error_description="Oops", state=pkce.state(SEED)), OAuthError),
        (Callback(state=pkce.state(SEED)), OAuthError),
        (LoginExpired("late"), LoginExpired),
    ],
)
def test_what_comes_back_wrong_ends_the_login_before_any_exchange(key, back, kind):
    vendor = Vendor([], back=back)
    with pytest.raises(kind):
        login(key, vendor, "code")
    assert vendor.calls == []


@pytest.mark.parametrize("key", ["claude", "codex", "gemini-cli", "antigravity", "iflow"])
@pytest.mark.parametrize(
    "answer", [(400, {"error": "invalid_grant"}), (200, {}), (200, b"<html>"), (500, b"")]
)
def test_a_replayed_code_is_told_as_a_failed_exchange(key, answer):
    with pytest.raises(OAuthError) as caught:
        login(key, Vendor([answer]), "code")
    assert caught.value.code == "code_exchange_failed"


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.key)
def test_an_unknown_method_is_refused(channel):
    if not channel.methods:
        return
    with pytest.raises(OAuthError):
        Vendor([]).run(channel.login(ask("no-such-method"), settings_of(channel.key)))


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.key)
def test_a_sheet_is_complete(channel):
    assert channel.name
    assert channel.terms.text
    assert channel.terms.url.startswith("https://")
    assert not any("secret" in name for name in channel.defaults)
    keys = [method.key for method in channel.methods]
    assert len(keys) == len(set(keys))

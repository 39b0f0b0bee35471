"""Kiro's adapter against the shapes that clients of the service have seen: docs/protocols/kiro.md."""

import json

import pytest

from providers.adapters.base import Call
from providers.adapters.registry import adapter_for
from providers.errors import UpstreamRefused
from providers.values import RefusalKind
from routing.core.cooldown import CoolingRules, History, history_after
from tests.unit.providers.adapters.makers import make_credential

KIRO = adapter_for("kiro")
NOW = 1_800_000_000.0
BODY = {"conversationState": {"agentTaskType": "vibe", "history": []}}
ARN = "arn:aws:codewhisperer:eu-central-1:123456789012:profile/ABC"
HOST = "https://q.us-east-1.amazonaws.com"


def call(**fields):
    return Call(
        credential=make_credential("kiro", **fields),
        model="kiro-claude-sonnet-4-5",
        body=json.dumps(BODY).encode(),
        stream=True,
        seed="0123456789abcdef0123456789abcdef",
    )


def listing(credential):
    request = KIRO.models_request(credential)
    assert request is not None
    return request.url


def refused(status, body):
    return KIRO.classify(status, {}, json.dumps(body).encode(), NOW)


def test_a_call_is_addressed_and_signed():
    request = KIRO.request(call())
    headers = dict(request.headers)
    assert (request.method, request.url) == ("POST", f"{HOST}/generateAssistantResponse")
    assert json.loads(request.body) == BODY
    assert headers["authorization"] == "Bearer test-key-0123456789"
    assert headers["amz-sdk-invocation-id"] == "01234567-89ab-cdef-0123-456789abcdef"
    assert headers["x-amzn-kiro-agent-mode"] == "vibe"
    assert headers["x-amzn-codewhisperer-optout"] == "true"
    assert headers["user-agent"].startswith("cliproxy/")
    assert "x-amz-target" not in headers
    assert "authorization" not in dict(KIRO.request(call(secret="")).headers)


@pytest.mark.parametrize(
    ("account", "host"),
    [
        ({"api_region": "eu-west-1", "profile_arn": ARN}, "q.eu-west-1"),
        ({"profile_arn": ARN, "region": "us-west-2"}, "q.eu-central-1"),
        ({"region": "us-west-2"}, "q.us-east-1"),
        ({"api_region": "evil.example/"}, "q.us-east-1"),
        ({"preferred_endpoint": "codewhisperer"}, "codewhisperer.us-east-1"),
        ({"preferred_endpoint": "IDE"}, "codewhisperer.us-east-1"),
        ({"preferred_endpoint": "cli"}, "q.us-east-1"),
        ({"preferred_endpoint": "codewhisperer", "auth_method": "idc"}, "q.us-east-1"),
    ],
)
def test_the_host_follows_region_and_preference(account, host):
    request = KIRO.request(call(account=account))
    assert request.url == f"https://{host}.amazonaws.com/generateAssistantResponse"
    assert ("x-amz-target" in dict(request.headers)) is host.startswith("codewhisperer")


def test_the_providers_own_preference_holds_for_its_accounts():
    request = KIRO.request(call(options={"preferred-endpoint": "codewhisperer", "agent-task-type": "dev"}))
    assert request.url.startswith("https://codewhisperer.")
    assert json.loads(request.body)["conversationState"]["agentTaskType"] == "dev"


def test_a_throttled_call_is_tried_at_the_other_host():
    asked = call(account={"api_region": "eu-west-1"})
    second = KIRO.elsewhere(asked, 1, 429, b"{}")
    assert second is not None
    assert second.url.startswith("https://codewhisperer.eu-west-1.")
    assert KIRO.elsewhere(asked, 1, None, b"") is not None
    assert KIRO.elsewhere(asked, 2, 429, b"{}") is None
    assert KIRO.elsewhere(asked, 1, 400, b"{}") is None


def test_a_base_url_of_ones_own_takes_the_place_of_all_hosts():
    asked = call(base_url="http://127.0.0.1:9/aws", account={"preferred_endpoint": "codewhisperer"})
    request = KIRO.request(asked)
    assert request.url == "http://127.0.0.1:9/aws/generateAssistantResponse"
    assert "x-amz-target" in dict(request.headers)
    assert KIRO.elsewhere(asked, 1, 429, b"{}") is None
    assert listing(asked.credential).startswith("http://127.0.0.1:9/aws/listAvailableModels?")


@pytest.mark.parametrize(
    ("method", "is_named"), [("social", True), ("", True), ("builder-id", False), ("idc", False)]
)
def test_only_a_social_login_names_its_profile(method, is_named):
    credential = {"account": {"auth_method": method, "profile_arn": ARN}}
    assert ("profileArn" in json.loads(KIRO.request(call(**credential)).body)) is is_named
    assert ("profileArn=arn%3Aaws" in listing(make_credential("kiro", **credential))) is is_named


def test_models_are_listed_with_dashes():
    listed = {
        "models": [
            {"modelId": "claude-opus-4.6", "modelName": "Opus", "tokenLimits": {"maxInputTokens": 1_000_000}},
            {"modelId": "auto"},
            {"nothing": 1},
        ]
    }
    models = KIRO.read_models(json.dumps(listed).encode())
    assert [(model.id, model.context_length) for model in models] == [
        ("kiro-claude-opus-4-6", 1_000_000),
        ("kiro-auto", 200_000),
    ]


def test_ids_from_elsewhere_are_offered_too():
    assert dict(KIRO.default_mappings)["claude-sonnet-4-5-20250929"] == "kiro-claude-sonnet-4-5"
    assert {"kiro-claude-opus-4-6-agentic", "amazonq-auto"} <= {model.id for model in KIRO.catalogue}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"message": "Improperly formed request."}, RefusalKind.REQUEST),
        (400, {"message": "x", "reason": "CONTENT_LENGTH_EXCEEDS_THRESHOLD"}, RefusalKind.CONTEXT_LENGTH),
        (400, {"message": "Invalid model.", "reason": "INVALID_MODEL_ID"}, RefusalKind.MODEL_UNSUPPORTED),
        (401, {"message": "Unauthorized"}, RefusalKind.UNAUTHORIZED),
        (403, {"message": "The bearer token included in the request is invalid."}, RefusalKind.UNAUTHORIZED),
        (403, {"message": "Not allowed"}, RefusalKind.PAYMENT),
        (429, {"__type": "com.amazon#ThrottlingException", "message": "Slow down"}, RefusalKind.QUOTA),
        (500, {"message": "x"}, RefusalKind.TRANSIENT),
        (503, b"<html>", RefusalKind.TRANSIENT),
    ],
)
def test_refusals_are_read(status, body, kind):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert KIRO.classify(status, {}, raw, NOW).kind is kind


def test_a_spent_month_rests_the_whole_account():
    found = refused(402, {"message": "You have reached the limit.", "reason": "MONTHLY_REQUEST_COUNT"})
    assert (found.kind, found.status, found.code) == (RefusalKind.QUOTA, 429, "MONTHLY_REQUEST_COUNT")
    assert (found.retry_after_s, found.credential_wide, found.names_quota_window) == (1800.0, True, True)


def test_throttling_rests_the_account_for_minutes_but_a_full_model_only_itself():
    found = refused(429, {"message": "Too many requests"})
    assert (found.retry_after_s, found.credential_wide) == (None, True)
    history, now, rests = History(), 1_800_000_000.0, []
    for _ in range(4):
        error = UpstreamRefused(found)
        history = history_after(error, "m", history, CoolingRules(), now) or history
        assert history.cooldown is not None
        rests.append(history.cooldown.until - now)
        now = history.cooldown.until + 1
    assert rests == [60, 120, 240, 300]
    full = refused(429, {"message": "High traffic", "reason": "INSUFFICIENT_MODEL_CAPACITY"})
    assert (full.kind, full.credential_wide) == (RefusalKind.QUOTA, False)


def test_a_suspended_account_rests_for_a_day():
    found = refused(403, {"message": "Your account is TEMPORARILY_SUSPENDED", "reason": "SUSPENDED"})
    assert (found.kind, found.retry_after_s, found.credential_wide) == (RefusalKind.PAYMENT, 86_400.0, True)


def test_an_exception_inside_a_stream_is_read_the_same():
    body = {"error": {"__type": "ThrottlingException", "message": "Slow", "status": 429, "code": None}}
    found = refused(429, body)
    assert (found.kind, found.code) == (RefusalKind.QUOTA, "ThrottlingException")

"""Google's adapter by API key: paths, errors, models. Sources: docs/protocols/providers.md."""

import json

import pytest

from providers.adapters.registry import adapter_for
from providers.values import RefusalKind
from tests.contract.adapter_calls import KEY, refused, sent


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-pro", "models/gemini-2.5-pro"),
        ("models/gemini-2.5-pro", "models/gemini-2.5-pro"),
        ("tunedModels/mine-1", "tunedModels/mine-1"),
        ("a/../../b?x#y", "models/a%2F..%2F..%2Fb%3Fx%23y"),
    ],
)
def test_a_gemini_model_stays_inside_its_path_segment(model, path):
    base = "https://generativelanguage.googleapis.com/v1beta/"
    assert sent("gemini", model=model, stream=False).url == f"{base}{path}:generateContent"


def test_gemini_is_signed_with_its_own_header_and_a_copied_version_is_dropped():
    request = sent("gemini", base_url="http://127.0.0.1:9/v1beta", stream=False)
    assert request.url == "http://127.0.0.1:9/v1beta/models/m:generateContent"
    assert dict(request.headers)["x-goog-api-key"] == KEY


def google(code, status, message="No.", *details):
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


KEY_INVALID = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}
RESET = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "metadata": {"quotaResetDelay": "510.79ms"}}


DAILY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
PER_MINUTE = {**DAILY, "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]}


@pytest.mark.parametrize(
    ("message", "details", "names_window"),
    [
        ("No.", (DAILY, RETRY), True),
        ("No.", (PER_MINUTE, RETRY), False),
        ("No.", (RESET,), True),
        ("Your quota will reset after 20h1m3s.", (), True),
        ("No.", (RETRY,), False),
    ],
)
def test_a_wait_to_the_end_of_a_quota_is_told_from_a_short_one(message, details, names_window):
    body = google(429, "RESOURCE_EXHAUSTED", message, *details)
    found = adapter_for("gemini").classify(429, {}, json.dumps(body).encode(), 0.0)
    assert found.retry_after_s is not None
    assert found.names_quota_window is names_window


@pytest.mark.parametrize(
    ("status", "body", "kind", "wait"),
    [
        (400, google(400, "INVALID_ARGUMENT"), RefusalKind.REQUEST, None),
        (
            400,
            google(400, "INVALID_ARGUMENT", "API key not valid.", KEY_INVALID),
            RefusalKind.UNAUTHORIZED,
            None,
        ),
        (400, [google(400, "INVALID_ARGUMENT", "Bad", KEY_INVALID)], RefusalKind.UNAUTHORIZED, None),
        (
            400,
            google(400, "FAILED_PRECONDITION", "User location is not supported"),
            RefusalKind.PAYMENT,
            None,
        ),
        (
            400,
            google(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens"),
            RefusalKind.CONTEXT_LENGTH,
            None,
        ),
        (
            403,
            google(403, "PERMISSION_DENIED", "Your API key was reported as leaked."),
            RefusalKind.TERMINAL,
            None,
        ),
        (403, google(403, "PERMISSION_DENIED"), RefusalKind.PAYMENT, None),
        (
            404,
            google(404, "NOT_FOUND", "models/x is not found for API version v1beta"),
            RefusalKind.NOT_FOUND,
            None,
        ),
        (429, google(429, "RESOURCE_EXHAUSTED", "Quota exceeded", RETRY), RefusalKind.QUOTA, 17.0),
        (429, [google(429, "RESOURCE_EXHAUSTED", "Quota exceeded", RETRY)], RefusalKind.QUOTA, 17.0),
        (429, google(429, "RESOURCE_EXHAUSTED", "Quota", RESET), RefusalKind.QUOTA, 0.51079),
        (429, google(429, "RESOURCE_EXHAUSTED", "Please retry in 26.5s."), RefusalKind.QUOTA, 26.5),
        (429, google(429, "RESOURCE_EXHAUSTED"), RefusalKind.QUOTA, None),
        (503, google(503, "UNAVAILABLE", "The model is overloaded."), RefusalKind.TRANSIENT, None),
    ],
)
def test_googles_errors_are_read(status, body, kind, wait):
    found = refused("gemini", status, body)
    assert found.kind is kind
    assert found.retry_after_s == (None if wait is None else pytest.approx(wait))


def test_geminis_model_list_keeps_what_generates():
    body = {
        "models": [
            {
                "name": "models/gemini-2.5-pro",
                "displayName": "Gemini 2.5 Pro",
                "inputTokenLimit": 1048576,
                "outputTokenLimit": 65536,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            },
            {"name": "models/embedding-001", "supportedGenerationMethods": ["embedContent"]},
            {"name": 3},
        ]
    }
    (model,) = adapter_for("gemini").read_models(json.dumps(body).encode())
    assert (model.id, model.context_length, model.max_output_tokens) == ("gemini-2.5-pro", 1_048_576, 65_536)

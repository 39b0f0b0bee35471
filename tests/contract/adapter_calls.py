"""One call to an adapter, and one refusal read: what the contract tests of all providers share."""

import json

from providers.adapters.base import Call
from providers.adapters.registry import adapter_for
from tests.unit.providers.adapters.makers import make_credential

NOW = 1_700_000_000.0
KEY = "test-key-0123456789"
BODY = b'{"model":"m","messages":[]}'


def credential_of(key, **fields):
    if key in ("openai-compatibility", "codex"):
        fields.setdefault("base_url", "http://localhost:11434/v1")
    return make_credential(key, **fields)


def sent(key, *, stream=True, model="m", headers=(), client_headers=(), **fields):
    call = Call(
        credential=credential_of(key, **fields),
        model=model,
        body=BODY,
        stream=stream,
        headers=headers,
        client_headers=client_headers,
    )
    return adapter_for(key).request(call)


def refused(key, status, body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return adapter_for(key).classify(status, headers or {}, raw, NOW)


# --- every adapter ---------------------------------------------------------------------------------

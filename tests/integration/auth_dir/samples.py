"""One credential file per channel, as CLIProxyAPI writes them. Every secret is a canary."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

END = "2099-01-01T00:00:00Z"


def jwt_of(**claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}.canary"


@functools.lru_cache(maxsize=1)
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def samples() -> dict[str, dict[str, Any]]:
    tokens = {"access_token": "canary-access", "refresh_token": "canary-refresh"}
    codex_claims = {"https://api.openai.com/auth": {"chatgpt_account_id": "acc", "chatgpt_plan_type": "pro"}}
    return {
        "claude-alice@example.com.json": {
            "type": "claude",
            **tokens,
            "id_token": "",
            "email": "alice@example.com",
            "account_uuid": "u",
            "organization_uuid": "o",
            "last_refresh": "2026-01-01T00:00:00+08:00",
            "expired": "2099-01-01T08:00:00.123456789+08:00",
        },
        "codex-alice@example.com.json": {
            "type": "codex",
            **tokens,
            "id_token": jwt_of(email="alice@example.com", **codex_claims),
            "account_id": "",
            "email": "alice@example.com",
            "last_refresh": "2026-01-01T00:00:00Z",
            "expired": END,
        },
        "gemini-alice@example.com-proj.json": {
            "type": "gemini",
            "token": {
                **tokens,
                "token_type": "Bearer",
                "expiry": END,
                "token_uri": "https://oauth2.googleapis.com/token",
                "client_id": "cid",
                "client_secret": "canary-client-secret",
                "scopes": ["a"],
                "universe_domain": "googleapis.com",
            },
            "project_id": "proj",
            "email": "alice@example.com",
            "auto": True,
            "checked": True,
        },
        "vertex-proj.json": {
            "type": "vertex",
            "service_account": {
                "type": "service_account",
                "project_id": "proj",
                "private_key_id": "kid",
                "private_key": private_key(),
                "client_email": "robot@proj.iam.gserviceaccount.com",
                "token_uri": "https://oauth2.googleapis.com/token",
            },
            "project_id": "proj",
            "email": "robot@proj.iam.gserviceaccount.com",
            "location": "europe-west4",
        },
        "antigravity-alice_example_com.json": {
            "type": "antigravity",
            **tokens,
            "expires_in": 3599,
            "timestamp": 4_070_908_800_000,
            "email": "alice@example.com",
            "project_id": "proj",
        },
        "qwen-alice.json": {
            "type": "qwen",
            **tokens,
            "resource_url": "portal.qwen.ai",
            "email": "alice",
            "last_refresh": "2026-01-01T00:00:00Z",
            "expired": END,
        },
        "iflow-alice-1700000000.json": {
            "type": "iflow",
            "api_key": "canary-key",
            "cookie": "BXAuth=canary-cookie;",
            "email": "alice",
            "expired": "2099-01-01 10:30",
        },
        "kimi-1700000000000.json": {
            "type": "kimi",
            **tokens,
            "token_type": "Bearer",
            "scope": "x",
            "device_id": "3f2b9b1e-0000-4000-8000-000000000000",
            "expired": END,
            "timestamp": 1_700_000_000_000,
        },
        "kiro-idc-alice.json": {
            "type": "kiro",
            **tokens,
            "profile_arn": "arn:aws:codewhisperer:us-east-1:123456789012:profile/P",
            "expires_at": END,
            "auth_method": "idc",
            "provider": "AWS",
            "client_id": "cid",
            "client_secret": "canary-client",
            "region": "us-east-1",
            "start_url": "https://d-1.awsapps.com/start",
            "email": "alice@example.com",
        },
        "github-copilot-octo.json": {
            "type": "github-copilot",
            "access_token": "canary-github",
            "token_type": "bearer",
            "scope": "user:email",
            "username": "octo",
            "timestamp": 1_700_000_000_000,
        },
        "kilo-alice@example.com.json": {
            "type": "kilo",
            "kilocodeToken": "canary-kilo",
            "kilocodeOrganizationId": "org",
            "kilocodeModel": "m",
            "email": "alice@example.com",
            "organization_id": "org",
            "model": "m",
        },
        "cursor-01234567.json": {
            "type": "cursor",
            "access_token": jwt_of(sub="auth0|u", exp=4_070_908_800),
            "refresh_token": "canary-refresh",
            "expires_at": END,
            "sub": "auth0|u",
            "timestamp": 1_700_000_000_000,
        },
        "minimax.json": {"type": "minimax", "access_token": "canary-minimax"},
        "roo.json": {"type": "roo", "access_token": "canary-roo"},
        "xai-alice@example.com.json": {
            "type": "xai",
            **tokens,
            "id_token": jwt_of(email="alice@example.com", sub="s"),
            "token_type": "Bearer",
            "expires_in": 3600,
            "expired": END,
            "last_refresh": "2026-01-01T00:00:00Z",
            "email": "alice@example.com",
            "sub": "s",
            "base_url": "https://api.x.ai/v1",
            "token_endpoint": "https://auth.x.ai/token",
            "auth_kind": "oauth",
        },
        "ampcode.json": {"type": "ampcode", "access_token": "canary-amp"},
    }


CLI_FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "claude": (
        ".credentials.json",
        {
            "claudeAiOauth": {
                "accessToken": "canary-access",
                "refreshToken": "canary-refresh",
                "expiresAt": 4_070_908_800_000,
                "scopes": ["user:inference"],
                "subscriptionType": "max",
            },
            "mcpOAuth": {"x": 1},
        },
    ),
    "codex": (
        "auth.json",
        {
            "OPENAI_API_KEY": None,
            "tokens": {
                "id_token": jwt_of(email="alice@example.com"),
                "access_token": jwt_of(exp=4_070_908_800),
                "refresh_token": "canary-refresh",
                "account_id": "acc",
            },
            "last_refresh": "2026-01-01T00:00:00.123456789Z",
        },
    ),
    "gemini-cli": (
        "oauth_creds.json",
        {
            "access_token": "canary-access",
            "refresh_token": "canary-refresh",
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "token_type": "Bearer",
            "id_token": "x",
            "expiry_date": 4_070_908_800_000,
        },
    ),
    "qwen": (
        "oauth_creds.json",
        {
            "access_token": "canary-access",
            "refresh_token": "canary-refresh",
            "token_type": "Bearer",
            "resource_url": "portal.qwen.ai",
            "expiry_date": 4_070_908_800_000,
        },
    ),
    "kiro": (
        "kiro-auth-token.json",
        {
            "accessToken": "canary-access",
            "refreshToken": "aorAAAAAGcanary",
            "profileArn": "arn:aws:codewhisperer:us-east-1:1:profile/P",
            "expiresAt": END,
            "authMethod": "social",
            "provider": "Google",
        },
    ),
    "github-copilot": ("hosts.json", {"github.com": {"user": "octo", "oauth_token": "canary-github"}}),
}

"""Key names that the schema meets but does not read: those of later versions, and those left out for good.

Only for better warnings: a key in none of these sets is reported as unknown.
"""

from __future__ import annotations

DEDICATED_BLOCKS = (
    "openrouter",
    "deepseek",
    "groq",
    "mistral",
    "together",
    "fireworks",
    "novita",
    "siliconflow",
    "minimax",
    "roo",
    "kilo",
)
"""Lists of keys for one OpenAI-shaped vendor each; the block's name is the provider key and the adapter."""

UNSUPPORTED_TOP = frozenset(
    {
        # server, logging, management
        "auth-dir",
        "commercial-mode",
        "error-logs-max-files",
        "incognito-browser",
        "logging-to-file",
        "logs-max-total-size-mb",
        "pprof",
        "redis-usage-queue-retention-seconds",
        "remote-management",
        "request-log",
        "tls",
        "usage-statistics-enabled",
        "ws-auth",
        # network and routing
        "auth-auto-refresh-workers",
        "credential-concurrency",
        "credential-in-flight",
        "nonstream-keepalive-interval",
        "oauth-request-scoped-errors",
        "passthrough-headers",
        "quota-exceeded",
        "routing",
        "save-cooldown-status",
        "streaming",
        # features
        "antigravity-signature-bypass-strict",
        "antigravity-signature-cache-enabled",
        "codex",
        "disable-image-generation",
        "gpt-image-2-base-model",
        "payload",
        "plugins",
        "responses-compact-enabled",
        "responses-websocket-enabled",
        "video-result-auth-cache-ttl",
        "xai",
        # providers and logins
        "amp-code",
        "amp-model-mappings",
        "amp-restrict-management-to-localhost",
        "amp-upstream-api-key",
        "amp-upstream-url",
        "ampcode",
        "cursor",
        "generative-language-api-key",
        "github-copilot",
        "interactions-api-key",
        "kiro",
        "kiro-preferred-endpoint",
        "oauth-excluded-models",
        "oauth-model-alias",
        "oauth-upstream",
        "providers",
        "vertex-api-key",
        "xai-api-key",
    }
)

DISGUISE_TOP = frozenset(
    {
        "antigravity",
        "claude-code",
        "claude-header-defaults",
        "codex-header-defaults",
        "disable-claude-cloak-mode",
        "kiro-fingerprint",
    }
)
"""They make the gateway pass for another client. Not built, on purpose; a file that has them still loads."""

UNSUPPORTED_ENTRY = frozenset(
    {
        "alpha-search",
        "api-keys",
        "rate-limit",
        "rebuild-mid-system-message",
        "request-scoped-errors",
        "support-prompt-cache-key",
        "token-file",
        "websockets",
    }
)
DISGUISE_ENTRY = frozenset({"cloak", "experimental-cch-signing", "fingerprint-profile"})

UNSUPPORTED_MODEL = frozenset(
    {"image", "input-modalities", "is-compat", "max-context-length", "output-modalities", "thinking"}
)

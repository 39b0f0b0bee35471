"""Key names that the readers meet but need not read, and why, for better warnings.

A key in none of these sets that nothing reads is reported as unknown.
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

WITHOUT_EFFECT_TOP = {
    "credential-concurrency": "it belongs to clusters of CLIProxyAPI; several processes share state in Redis",
    "credential-in-flight": "it belongs to clusters of CLIProxyAPI; several processes share state in Redis",
    "plugins": "the gateway loads no foreign code; a provider is added in its own module",
    "pprof": "it profiles Go; see docs/operations.md for what to use here",
}

GONE_TOP = {
    "allow-localhost-unauthenticated": "every request needs a client key",
    "enable-gemini-cli-endpoint": "Gemini CLI is a client like any other, with its key",
    "force-gpt-5-codex": "an alias says which model stands for another",
    "gemini-web": "the web page of Gemini is no provider here",
}
"""Of earlier releases of CLIProxyAPI."""

DISGUISE_TOP = frozenset(
    {
        "antigravity",
        "claude-code",
        "claude-header-defaults",
        "codex-instructions-enabled",
        "codex-header-defaults",
        "disable-claude-cloak-mode",
        "kiro-fingerprint",
    }
)
"""They make the gateway pass for another client. Not built, on purpose; a file that has them still loads."""

DISGUISE_CODEX = frozenset({"disable-codex-cloaking", "identity-confuse"})
DISGUISE_ENTRY = frozenset({"cloak", "experimental-cch-signing", "fingerprint-profile"})

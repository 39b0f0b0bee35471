"""The explicit list of adapters. A new provider is its module and one line here."""

from __future__ import annotations

from providers.adapters.aistudio import AIStudio
from providers.adapters.ampcode import Ampcode
from providers.adapters.antigravity import Antigravity
from providers.adapters.base import Adapter
from providers.adapters.claude import Claude
from providers.adapters.codex import Codex
from providers.adapters.cursor import Cursor
from providers.adapters.deepseek import DeepSeek
from providers.adapters.demo import Demo
from providers.adapters.fireworks import Fireworks
from providers.adapters.gemini import Gemini
from providers.adapters.gemini_cli import GeminiCli
from providers.adapters.github_copilot import GitHubCopilot
from providers.adapters.groq import Groq
from providers.adapters.iflow import IFlow
from providers.adapters.kilo import Kilo
from providers.adapters.kimi import Kimi
from providers.adapters.kiro import Kiro
from providers.adapters.minimax import MiniMax
from providers.adapters.mistral import Mistral
from providers.adapters.nim import Nim
from providers.adapters.novita import Novita
from providers.adapters.openai import OpenAI
from providers.adapters.openai_compatibility import OpenAICompatibility
from providers.adapters.openrouter import OpenRouter
from providers.adapters.qwen import Qwen
from providers.adapters.roo import Roo
from providers.adapters.siliconflow import SiliconFlow
from providers.adapters.together import Together
from providers.adapters.vertex import Vertex
from providers.adapters.xai import XAI
from providers.adapters.zen import Zen

ADAPTERS: tuple[Adapter, ...] = (
    Claude(),
    OpenAI(),
    Gemini(),
    Codex(),
    OpenRouter(),
    DeepSeek(),
    Groq(),
    Mistral(),
    XAI(),
    Together(),
    Fireworks(),
    Novita(),
    SiliconFlow(),
    MiniMax(),
    Roo(),
    Kilo(),
    Kiro(),
    GitHubCopilot(),
    Kimi(),
    Cursor(),
    Zen(),
    Nim(),
    Vertex(),
    AIStudio(),
    GeminiCli(),
    Antigravity(),
    Qwen(),
    IFlow(),
    Ampcode(),
    OpenAICompatibility(),
    Demo(),
)

BY_KEY: dict[str, Adapter] = {adapter.key: adapter for adapter in ADAPTERS}


class UnknownAdapter(LookupError):
    """No adapter has this key; the text names it."""


def adapter_for(key: str) -> Adapter:
    """The adapter named ``key``. Raises UnknownAdapter."""
    try:
        return BY_KEY[key]
    except KeyError:
        raise UnknownAdapter(f"there is no provider kind {key!r}") from None

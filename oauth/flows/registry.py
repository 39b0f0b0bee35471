"""The explicit list of channels. A new one is its module, one line here and its docs page."""

from __future__ import annotations

from oauth.flows.aistudio import AIStudio
from oauth.flows.ampcode import Ampcode
from oauth.flows.antigravity import Antigravity
from oauth.flows.channel import Channel
from oauth.flows.claude import ClaudeOAuth
from oauth.flows.codex import CodexOAuth
from oauth.flows.cursor import Cursor
from oauth.flows.gemini_cli import GeminiCli
from oauth.flows.github_copilot import GitHubCopilot
from oauth.flows.iflow import IFlow
from oauth.flows.key_file import KeyFile
from oauth.flows.kilo import KiloLogin
from oauth.flows.kimi import Kimi
from oauth.flows.kiro import Kiro
from oauth.flows.minimax import MiniMaxLogin
from oauth.flows.qwen import Qwen
from oauth.flows.roo import RooLogin
from oauth.flows.vertex import Vertex
from oauth.flows.xai import XAILogin

CHANNELS: tuple[Channel, ...] = (
    Kiro(),
    GitHubCopilot(),
    ClaudeOAuth(),
    CodexOAuth(),
    GeminiCli(),
    Antigravity(),
    Vertex(),
    AIStudio(),
    Qwen(),
    IFlow(),
    Kimi(),
    KiloLogin(),
    Cursor(),
    MiniMaxLogin(),
    RooLogin(),
    XAILogin(),
    Ampcode(),
)

KEY_FILE = KeyFile()
"""No channel that anybody logs in to: for ``token-file`` of vendors with keys."""

BY_KEY: dict[str, Channel] = {channel.key: channel for channel in (*CHANNELS, KEY_FILE)}
BY_NAME: dict[str, Channel] = {
    name: channel
    for channel in BY_KEY.values()
    for name in (channel.key, channel.file_type, *channel.names)
    if name
}


class UnknownChannel(LookupError):
    """No channel has this name; the text names it."""


def channel_for(name: str) -> Channel:
    """The channel with this key, file type or other name; case is ignored. Raises UnknownChannel."""
    try:
        return BY_NAME[name.strip().lower()]
    except KeyError:
        raise UnknownChannel(f"there is no channel {name!r}") from None

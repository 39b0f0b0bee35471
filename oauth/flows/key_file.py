"""A ``token-file`` of a vendor that has no login: a key in a file that somebody else keeps. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from oauth.flows.base import Grant
from oauth.flows.channel import Terms
from oauth.flows.minimax import token_file
from oauth.flows.standard import StandardChannel


class KeyFile(StandardChannel):
    """Nothing to log in to: the configuration file names the file (``token-file``)."""

    key = "key-file"
    name = "Key from a file"
    provider_key = "key-file"
    adapter = "openai-compatibility"
    terms = Terms(text="The terms of the vendor whose key the file holds.", url="https://example.com/")
    is_refreshable = False

    def from_file(self, content: Mapping[str, object]) -> Grant:
        """JSON with ``access_token`` or ``api_key``; a file of plain text is ``{"access_token": text}``."""
        return super().from_file(token_file(content))

"""The explicit lists of codecs and passthroughs, one per format."""

from __future__ import annotations

from collections.abc import Callable

from providers.translation.codec import Codec, Framing, UpstreamCodec
from providers.translation.codecs.claude import passthrough as claude_passthrough
from providers.translation.codecs.claude.codec import CODEC as CLAUDE
from providers.translation.codecs.gemini import passthrough as gemini_passthrough
from providers.translation.codecs.gemini.codec import CODEC as GEMINI
from providers.translation.codecs.gemini.framing import FRAMING as GEMINI_ARRAY
from providers.translation.codecs.gemini.gather import Gatherer as GeminiGatherer
from providers.translation.codecs.kiro.codec import CODEC as KIRO
from providers.translation.codecs.kiro.framing import FRAMING as EVENT_STREAM
from providers.translation.codecs.openai import passthrough as openai_passthrough
from providers.translation.codecs.openai.codec import CODEC as OPENAI
from providers.translation.codecs.responses import passthrough as responses_passthrough
from providers.translation.codecs.responses.codec import CODEC as RESPONSES
from providers.translation.codecs.responses.gather import Gatherer as ResponsesGatherer
from providers.translation.passthrough import Gatherer, Passthrough
from providers.values import Format

CODECS: dict[Format, Codec] = {
    Format.OPENAI: OPENAI,
    Format.RESPONSES: RESPONSES,
    Format.CLAUDE: CLAUDE,
    Format.GEMINI: GEMINI,
}

UPSTREAM_CODECS: dict[Format, UpstreamCodec] = {**CODECS, Format.KIRO: KIRO}
"""Whom an upstream can be spoken to with: ``CODECS``, and the formats that no client speaks."""

PASSTHROUGHS: dict[Format, Passthrough] = {
    Format.OPENAI: openai_passthrough,
    Format.RESPONSES: responses_passthrough,
    Format.CLAUDE: claude_passthrough,
    Format.GEMINI: gemini_passthrough,
}

FRAMINGS: dict[Format, Framing] = {Format.GEMINI: GEMINI_ARRAY, Format.KIRO: EVENT_STREAM}
"""Where a stream comes as something else than server-sent events."""

GATHERERS: dict[Format, Callable[[], Gatherer]] = {
    Format.RESPONSES: ResponsesGatherer,
    Format.GEMINI: GeminiGatherer,
}
"""For the formats in which some upstreams do nothing but stream."""

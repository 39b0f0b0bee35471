"""The explicit list of codecs, one per format."""

from __future__ import annotations

from providers.translation.codec import Codec
from providers.translation.codecs.claude.codec import CODEC as CLAUDE
from providers.translation.codecs.gemini.codec import CODEC as GEMINI
from providers.translation.codecs.openai.codec import CODEC as OPENAI
from providers.translation.codecs.responses.codec import CODEC as RESPONSES
from providers.values import Format

CODECS: dict[Format, Codec] = {
    Format.OPENAI: OPENAI,
    Format.RESPONSES: RESPONSES,
    Format.CLAUDE: CLAUDE,
    Format.GEMINI: GEMINI,
}

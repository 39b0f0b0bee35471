"""The voice of a spoken answer: ``speechConfig`` of a Gemini request.

Voices: https://ai.google.dev/gemini-api/docs/speech-generation#voices. OpenAI's names exist at OpenAI only;
each stands for one of Google's here, so that a client keeps its voice from call to call. The pairs are ours.
"""

from __future__ import annotations

from providers.translation.codecs.gemini.fields import Fields
from providers.translation.model import Json

_OF_OPENAI = {
    "alloy": "Kore",
    "ash": "Puck",
    "ballad": "Charon",
    "cedar": "Orus",
    "coral": "Leda",
    "echo": "Fenrir",
    "fable": "Enceladus",
    "marin": "Aoede",
    "nova": "Zephyr",
    "onyx": "Iapetus",
    "sage": "Callirrhoe",
    "shimmer": "Autonoe",
    "verse": "Umbriel",
}


def decode_voice(config: Fields) -> str | None:
    """The one prebuilt voice; whatever else is said of speech stays behind for ``ext``."""
    raw = config.raw_object("speechConfig")
    if raw is None:
        return None
    name = _prebuilt(raw)
    if name is None or len(raw) > 1:
        config.put_back("speechConfig", raw)
    return name


def _prebuilt(raw: dict[str, Json]) -> str | None:
    voice: Json = raw
    for camel, snake in (
        ("voiceConfig", "voice_config"),
        ("prebuiltVoiceConfig", "prebuilt_voice_config"),
        ("voiceName", "voice_name"),
    ):
        voice = voice.get(camel, voice.get(snake)) if isinstance(voice, dict) else None
    return voice if isinstance(voice, str) and voice else None


def encode_voice(voice: str | None) -> dict[str, Json] | None:
    if voice is None:
        return None
    name = _OF_OPENAI.get(voice.lower(), voice)
    return {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}}

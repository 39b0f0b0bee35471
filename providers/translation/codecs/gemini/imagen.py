"""Imagen's ``:predict`` behind the face of ``generateContent``: a prompt goes in, pictures come out.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.translation.codec import MalformedRequest
from providers.translation.model import Json
from providers.translation.passthrough import BAD_JSON, FIELDS


def predict_body(body: bytes) -> bytes:
    """``instances`` and ``parameters`` from a ``generateContent`` body: the first text of the last turn that
    has one is the prompt. Raises MalformedRequest without any text."""
    request = msgspec.json.decode(body)
    prompt = _prompt(request)
    if not prompt:
        raise MalformedRequest("An image model needs a text as its prompt.", param="contents")
    instance: dict[str, Json] = {"prompt": prompt}
    if isinstance(negative := request.get("negativePrompt"), str) and negative:
        instance["negativePrompt"] = negative
    config = request.get("generationConfig")
    config = config if isinstance(config, dict) else {}
    image = config.get("imageConfig")
    ratio = request.get("aspectRatio") or (image.get("aspectRatio") if isinstance(image, dict) else None)
    count = request.get("sampleCount") or config.get("candidateCount") or 1
    parameters: dict[str, Json] = {"sampleCount": count}
    if isinstance(ratio, str) and ratio:
        parameters["aspectRatio"] = ratio
    return msgspec.json.encode({"instances": [instance], "parameters": parameters})


def as_generation(body: bytes) -> bytes:
    """An answer with ``predictions`` as one with ``candidates``; every other body as it is."""
    if b'"predictions"' not in body:
        return body
    try:
        fields = FIELDS.decode(body)
        predictions = msgspec.json.decode(fields["predictions"], type=list[dict[str, Any]])
    except (*BAD_JSON, KeyError):
        return body
    parts = [
        {
            "inlineData": {
                "mimeType": prediction.get("mimeType", "image/png"),
                "data": prediction["bytesBase64Encoded"],
            }
        }
        for prediction in predictions
        if isinstance(prediction.get("bytesBase64Encoded"), str)
    ]
    if parts:
        candidate: dict[str, Json] = {
            "content": {"role": "model", "parts": parts},
            "finishReason": "STOP",
            "index": 0,
        }
    else:  # the vendor's filter leaves the list without pictures and says why beside it
        reasons = [str(one["raiFilteredReason"]) for one in predictions if "raiFilteredReason" in one]
        candidate = {"content": {"role": "model", "parts": []}, "finishReason": "IMAGE_SAFETY", "index": 0}
        if reasons:
            candidate["finishMessage"] = reasons[0]
    usage = {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0}
    return msgspec.json.encode({"candidates": [candidate], "usageMetadata": usage})


def _prompt(request: dict[str, Any]) -> str:
    contents = request.get("contents")
    for content in reversed(contents) if isinstance(contents, list) else ():
        parts = content.get("parts") if isinstance(content, dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and isinstance(text := part.get("text"), str) and text.strip():
                return text
    prompt = request.get("prompt")
    return prompt if isinstance(prompt, str) else ""

"""Citations: bytes of a part on the wire, characters of a text inside."""

import pytest
from google.genai import types

from providers.translation.codecs.gemini.codec import CODEC
from providers.translation.codecs.gemini.grounding import encode_grounding
from providers.translation.model import Text
from providers.values import Format
from tests.unit.providers.translation.codecs.gemini.made import context

SUPPORT = {"segment": {"startIndex": 0, "endIndex": 7}, "groundingChunkIndices": [0, 1, 9]}


def grounded(*supports, parts=({"text": "Größe"}, {"text": " und Süße"}), chunks=None):
    sources = [{"web": {"uri": "https://a.example", "title": "A"}}, {"retrievedContext": {"uri": "gs://b/x"}}]
    metadata = {
        "groundingChunks": chunks or sources,
        "groundingSupports": list(supports),
        "webSearchQueries": ["q"],
    }
    body = {"candidates": [{"content": {"parts": list(parts)}, "groundingMetadata": metadata}]}
    types.GenerateContentResponse.model_validate(body)
    return CODEC.decode_response(body, context()).candidates[0]


def spans(candidate):
    return [
        (part.text, citation["text"], citation["start"], citation["end"], citation["url"])
        for part in candidate.parts
        if isinstance(part, Text)
        for citation in part.citations
    ]


def test_grounding_becomes_citations_in_characters():
    said = grounded(SUPPORT)
    assert spans(said) == [
        ("Größe und Süße", "Größe", 0, 5, "https://a.example"),
        ("Größe und Süße", "Größe", 0, 5, "gs://b/x"),
    ]
    assert said.ext[Format.GEMINI] == {"groundingMetadata": {"webSearchQueries": ["q"]}}


@pytest.mark.parametrize(
    "segment",
    [
        {"partIndex": 1, "startIndex": 5, "endIndex": 11},
        {"partIndex": 7, "startIndex": 12, "endIndex": 18},
        {"startIndex": 12, "endIndex": 18},
        {"startIndex": 12},
        {"startIndex": 1, "endIndex": 3, "text": "Süße"},
    ],
)
def test_a_segment_is_found_by_part_by_offset_or_by_its_words(segment):
    said = grounded({"segment": segment, "groundingChunkIndices": [0]})
    assert spans(said) == [("Größe und Süße", "Süße", 10, 14, "https://a.example")]


def test_a_thought_does_not_shift_the_segments():
    said = grounded(SUPPORT, parts=({"text": "hm", "thought": True}, {"text": "Größe"}))
    assert spans(said)[0][1:4] == ("Größe", 0, 5)


def test_grounding_that_supports_nothing_stays_raw():
    said = grounded({"groundingChunkIndices": [0]}, chunks=[{"web": {"title": "A"}}])
    assert spans(said) == []
    assert said.ext[Format.GEMINI]["groundingMetadata"]["groundingChunks"] == [{"web": {"title": "A"}}]
    nothing = grounded(SUPPORT, parts=({"functionCall": {"name": "f"}},))
    assert spans(nothing) == []


def test_citations_without_an_address_are_left_out_and_without_a_span_cover_the_text():
    made = encode_grounding([(0, "Süß", {"title": "A"}), (1, "Süß", {"url": "https://a.example"})])
    assert made == {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "https://a.example"}}],
        "groundingSupports": [
            {
                "segment": {"partIndex": 1, "startIndex": 0, "endIndex": 5, "text": "Süß"},
                "groundingChunkIndices": [0],
            }
        ],
    }
    assert encode_grounding([]) == {}

import pytest
from google.genai import types

from providers.translation import names
from providers.translation.codec import MalformedRequest
from providers.translation.codecs.gemini.fields import Fields
from providers.translation.codecs.gemini.parts import (
    ILLEGAL_IN_NAME,
    STOP_KINDS,
    decode_file,
    finish_reason,
    kind_of_mime,
    mime_of_url,
)
from providers.translation.model import StopKind


@pytest.mark.parametrize(
    ("mime", "kind"),
    [
        ("image/png", "image"),
        ("audio/wav", "audio"),
        ("video/mp4", "video"),
        ("text/plain", "document"),
        (None, "document"),
    ],
)
def test_a_media_type_tells_the_kind(mime, kind):
    assert kind_of_mime(mime) == kind


def test_an_address_tells_the_media_type_by_its_ending():
    assert mime_of_url("https://a.example/x.PDF?token=1") == "application/pdf"
    assert mime_of_url("https://a.example/x") is None
    assert mime_of_url("http://[broken") is None


def test_googles_own_finish_reason_is_kept_while_it_says_the_same():
    assert finish_reason(StopKind.CONTENT_FILTER, "RECITATION") == "RECITATION"
    assert finish_reason(StopKind.CONTENT_FILTER, "STOP") == "SAFETY"
    assert finish_reason(StopKind.OTHER, "SOMETHING_NEW") == "OTHER"
    for kind in StopKind:
        types.FinishReason(finish_reason(kind, None))
    for reason in STOP_KINDS:
        types.FinishReason(reason)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("look", "look"),
        ("_a.b:c-d", "_a.b:c-d"),
        ("1st", "_1st"),
        ("-x", "_-x"),
        ("größe", "gr__e"),
        ("é", "_"),
        ("a b", "a_b"),
        ("x" * 128, "x" * 128),
    ],
)
def test_names_are_mangled_only_where_they_must_be(name, fits):
    assert names.build([name], illegal=ILLEGAL_IN_NAME, limit=128).mangle(name) == fits


@pytest.mark.parametrize("url", ["https://www.youtube.com/watch?v=x", "https://youtu.be/x"])
def test_a_video_by_its_page_is_a_video(url):
    fields = Fields({"fileUri": url}, "fileData", MalformedRequest)
    assert decode_file(fields, Fields({}, "part", MalformedRequest)).kind == "video"

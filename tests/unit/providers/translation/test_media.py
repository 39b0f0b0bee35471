"""Data URLs and media types."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.translation.media import data_url, is_data_url, normal_mime, parse_data_url, sniff_mime

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n....").decode()


@pytest.mark.parametrize(
    ("url", "mime", "data"),
    [
        (f"data:image/png;base64,{PNG}", "image/png", PNG),
        (f"DATA:image/jpg;BASE64,{PNG}", "image/jpeg", PNG),
        (f"data:;base64,{PNG}", None, PNG),
        (f"data:image/png;name=a.png;charset=x;base64,{PNG}", "image/png", PNG),
        ("data:text/plain,hello%20world", "text/plain", base64.b64encode(b"hello world").decode()),
        ("data:,plain", None, base64.b64encode(b"plain").decode()),
        ("data:image/png;base64,AA%3D%3D", "image/png", "AA=="),
        ("data:image/png;base64,AA", "image/png", "AA=="),
        ("data:image/png;base64,-_-_", "image/png", "+/+/"),
        ("data:image/png;base64,AAAA\nBBBB", "image/png", "AAAABBBB"),
        ("data:image/png;base64,", "image/png", ""),
    ],
)
def test_every_legal_spelling_of_a_data_url_is_read(url, mime, data):
    assert parse_data_url(url) == (mime, data)


@pytest.mark.parametrize(
    "url", ["https://x.example/a.png", "data:image/png;base64", "data:image/png;base64,@@@@"]
)
def test_what_is_no_data_url_is_refused(url):
    with pytest.raises(ValueError):
        parse_data_url(url)


@given(st.binary(max_size=200))
def test_a_built_data_url_reads_back_unchanged(raw):
    data = base64.b64encode(raw).decode()
    url = data_url("image/png", data)
    assert is_data_url(url)
    assert parse_data_url(url) == ("image/png", data)


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"%PDF-1.7", "application/pdf"),
        (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
        (b"nothing known", None),
    ],
)
def test_a_media_type_is_guessed_by_the_first_bytes(head, mime):
    assert sniff_mime(base64.b64encode(head + b" and more").decode()) == mime


def test_a_file_name_decides_when_the_bytes_say_nothing():
    assert sniff_mime(base64.b64encode(b"a,b,c").decode(), "table.CSV") == "text/csv"
    assert sniff_mime("@not base64@", "paper.pdf") == "application/pdf"
    assert sniff_mime("AAAA", "no-suffix") is None


def test_misspelt_media_types_are_corrected():
    assert normal_mime("image/jpg") == "image/jpeg"
    assert normal_mime(" Image/PNG; charset=binary") == "image/png"


def test_a_missing_media_type_gets_the_neutral_one():
    assert data_url(None, "AAAA") == "data:application/octet-stream;base64,AAAA"

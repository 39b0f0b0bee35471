from __future__ import annotations

import pytest

from routing.proxy.relay.multipart import MalformedMultipart, ModelFinder, boundary_of, model_part

FILE = b'Content-Disposition: form-data; name="file"; filename="a; name=\\"model\\""\r\n\r\nnot it\r\n--B'
MODEL = b'X-A: b\r\nContent-disposition: form-data; name="model"\r\n\r\nwhisper-1'
EMPTY = b'Content-Disposition: form-data; name="prompt"\r\n\r\n'


def body(*parts: bytes, preamble: bytes = b"") -> bytes:
    return preamble + b"".join(b"--BB\r\n" + part + b"\r\n" for part in parts) + b"--BB--\r\n"


def fed(data: bytes, size: int) -> ModelFinder:
    finder = ModelFinder(b"BB")
    for start in range(0, len(data), size):
        finder.feed(data[start : start + size])
    return finder


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "data",
    [
        body(MODEL, FILE),
        body(FILE, MODEL),
        body(EMPTY, MODEL),
        body(FILE, EMPTY, MODEL, FILE, preamble=b"to be ignored\r\n"),
        body(MODEL).replace(b"--BB\r\n", b"--BB  \r\n"),
        body(MODEL).replace(b'"model"', b"model"),
    ],
)
def test_the_model_is_found_however_the_body_is_cut(data, size):
    finder = fed(data, size)
    assert (finder.is_over, finder.value) == (True, "whisper-1")
    assert data[slice(*finder.span)] == b"whisper-1"
    assert data[finder.first_part :].startswith(b"--BB")


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_form_without_a_model_ends_without_one(size):
    data = body(FILE, EMPTY)
    finder = fed(data, size)
    assert (finder.is_over, finder.value, finder.first_part) == (True, None, 0)
    again = fed(model_part(b"BB", "m-2") + data, size)
    assert again.value == "m-2"


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    "data",
    [
        b"--BB" + b" " * 300,
        b"--BB\r\nX: " + b"y" * 20_000,
        body(MODEL + b"x" * 2000),
        body(MODEL + b"\xff"),
    ],
)
def test_what_is_no_form_is_refused_before_it_fills_the_memory(data, size):
    with pytest.raises(MalformedMultipart):
        fed(data, size)


def test_little_is_held_of_a_long_file():
    finder = ModelFinder(b"BB")
    finder.feed(b"--BB\r\n" + FILE)
    for _ in range(100):
        finder.feed(b"\r\n--B" * 10_000)
        assert len(finder._held) < 10


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('multipart/form-data; charset=utf-8; BOUNDARY="a b;c"', b"a b;c"),
    ],
)
def test_the_boundary_is_read(content_type, boundary):
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", "x; boundary=" + "y" * 80]
)
def test_a_type_without_a_boundary_is_refused(content_type):
    if "yyy" in content_type:
        assert len(boundary_of(content_type)) <= 70
    else:
        with pytest.raises(MalformedMultipart):
            boundary_of(content_type)

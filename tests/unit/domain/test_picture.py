"""What may stand on an invoice as a logo."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.picture import BYTES_MAX, SIDE_MAX, NotAPicture, picture
from tests.pictures import JPEG, SVG, png


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def svg(inner, attributes=""):
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" {attributes}>{inner}</svg>'.encode()


@pytest.mark.parametrize(
    ("content", "kind"), [(png(), "png"), (JPEG, "jpg"), (SVG, "svg"), (b"\xef\xbb\xbf" + SVG, "svg")]
)
def test_png_jpeg_and_svg_are_pictures_kept_by_their_digest(content, kind):
    found = picture(content)
    assert found.format == kind
    assert found.key == picture(bytes(content)).key
    assert found.key.endswith(f".{kind}")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"%PDF-1.7", b"GIF89a", b"\x00" * 100, b"MZ", b"<html></html>", b"<"]
)
def test_anything_else_is_no_picture(content):
    with pytest.raises(NotAPicture):
        picture(content)


def test_a_picture_has_at_most_so_many_bytes():
    with pytest.raises(NotAPicture, match=str(BYTES_MAX)):
        picture(SVG + b" " * (BYTES_MAX - len(SVG) + 1))
    assert picture(SVG + b" " * (BYTES_MAX - len(SVG))).format == "svg"


@given(st.integers(0, len(png()) - 1))
def test_a_png_that_breaks_off_anywhere_is_refused(length):
    with pytest.raises(NotAPicture):
        picture(png()[:length])


@given(st.integers(8, len(png()) - 1), st.integers(1, 255))
def test_a_png_with_a_damaged_byte_is_refused(at, flip):
    content = bytearray(png())
    content[at] ^= flip
    with pytest.raises(NotAPicture):
        picture(bytes(content))


@pytest.mark.parametrize(("width", "height", "fine"), [(SIDE_MAX, 1, True), (SIDE_MAX + 1, 1, False), (0, 1, False)])
def test_a_picture_has_a_sane_size(width, height, fine):
    content = png(width, height)
    if fine:
        assert picture(content).format == "png"
    else:
        with pytest.raises(NotAPicture):
            picture(content)


def test_a_small_png_that_unpacks_to_something_huge_is_refused():
    head = struct.pack(">IIBBBBB", 10, 10, 8, 2, 0, 0, 0)
    bomb = zlib.compress(b"\0" * 50_000_000, 9)
    with pytest.raises(NotAPicture):
        picture(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", bomb) + chunk(b"IEND", b""))


def test_a_jpeg_that_breaks_off_is_refused():
    for length in range(len(JPEG) - 2):
        with pytest.raises(NotAPicture):
            picture(JPEG[:length])


@pytest.mark.parametrize(
    "content",
    [
        svg("<script>alert(1)</script>"),
        svg('<rect onload="x()"/>'),
        svg('<image href="https://x.example/a.png"/>'),
        svg('<path fill="url(https://x.example/a)"/>'),
        svg("<style>@import 'https://x.example/a.css'</style>"),
        svg("<foreignObject/>"),
        svg('<use href="#a"/>'),  # unfolds: ten levels of ten make a billion
        b'<!DOCTYPE svg [<!ENTITY a "aaa">]>' + svg("&a;"),
        b'<svg xmlns="http://www.w3.org/2000/svg"><rect>',
        b"<svg/>",
        b'<?xml version="1.0" encoding="utf-16"?><svg/>',
        svg("<g/>" * 30_000),
    ],
)
def test_an_svg_that_acts_loads_or_unfolds_is_refused(content):
    with pytest.raises(NotAPicture):
        picture(content)


@given(st.binary(max_size=300))
def test_no_bytes_are_too_odd_to_be_judged(content):
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"<svg"):
        try:
            picture(start + content)
        except NotAPicture:
            pass

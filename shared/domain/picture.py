"""Whether some bytes are a picture that can stand on an invoice: PNG, JPEG or SVG, whole and of a sane size.

A picture is checked when it is given, since the page it breaks is typeset much later, when nobody is watching.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from typing import Final, Literal
from xml.etree import ElementTree

from shared.domain.values import dataclass

BYTES_MAX: Final = 200_000
SIDE_MAX: Final = 4_000  # pixels
PIXELS_MAX: Final = 8_000_000
CHUNKS_MAX: Final = 10_000  # of a PNG; segments of a JPEG
SVG_ELEMENTS_MAX: Final = 20_000

PNG: Final = b"\x89PNG\r\n\x1a\n"
SVG: Final = "http://www.w3.org/2000/svg"
SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a PNG's pixel, by colour type
JPEG_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
JPEG_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
ACTIVE: Final = frozenset({"script", "foreignObject", "image", "feImage", "use", "iframe", "a", "animate", "set"})
_REMOTE: Final = re.compile(r"url\(\s*['\"]?(?!#)|@import|expression\(", re.IGNORECASE)

Format = Literal["png", "jpg", "svg"]
MEDIA_TYPES: Final[dict[Format, str]] = {"png": "image/png", "jpg": "image/jpeg", "svg": "image/svg+xml"}


class NotAPicture(ValueError):
    """The message follows the field's name: "is a PNG that breaks off"."""


@dataclass(frozen=True, slots=True)
class Picture:
    content: bytes
    format: Format

    @property
    def key(self) -> str:
        """Where it is kept: by its own digest, so that a key never means another picture."""
        return f"logos/{hashlib.sha256(self.content).hexdigest()}.{self.format}"


def picture(content: bytes) -> Picture:
    """The bytes as a picture. Raises NotAPicture, saying what is wrong."""
    if len(content) > BYTES_MAX:
        raise NotAPicture(f"must have at most {BYTES_MAX} bytes; make it smaller")
    if content.startswith(PNG):
        _check_png(content)
        return Picture(content, "png")
    if content.startswith(b"\xff\xd8\xff"):
        _check_jpeg(content)
        return Picture(content, "jpg")
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        _check_svg(content)
        return Picture(content, "svg")
    raise NotAPicture("is no image; give a PNG, JPEG or SVG")


def _check_size(width: int, height: int) -> None:
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX and width * height <= PIXELS_MAX):
        raise NotAPicture(f"must be at most {SIDE_MAX} pixels wide and high and {PIXELS_MAX} in all")


def _check_png(content: bytes) -> None:
    at, packed, head, ended = len(PNG), bytearray(), b"", False
    for _ in range(CHUNKS_MAX):
        length = int.from_bytes(content[at : at + 4])
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        if len(body) < length or content[at + 8 + length : at + 12 + length] != zlib.crc32(kind + body).to_bytes(4):
            raise NotAPicture("is a PNG that is damaged or breaks off")
        head = body if kind == b"IHDR" else head
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
        if ended := kind == b"IEND":
            break
    if not ended or len(head) != 13:
        raise NotAPicture("is a PNG that is damaged or breaks off")
    width, height, depth, colours = int.from_bytes(head[:4]), int.from_bytes(head[4:8]), head[8], head[9]
    _check_size(width, height)
    row = (width * SAMPLES.get(colours, 4) * depth + 7) // 8
    most = height * (row + 1) + 7 * (height + width)  # a row's filter byte; interlacing rounds up more often
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(bytes(packed), most + 1)
    except zlib.error:
        raise NotAPicture("is a PNG that is damaged or breaks off") from None
    if colours not in SAMPLES or not height * row <= len(unpacked) <= most:
        raise NotAPicture("is a PNG that is damaged or breaks off")


def _check_jpeg(content: bytes) -> None:
    """Segments up to the picture data, one of them the frame with its size; and an end."""
    at, framed = 2, False
    for _ in range(CHUNKS_MAX):
        if at + 4 > len(content) or content[at] != 0xFF:
            break
        marker = content[at + 1]
        if marker == 0xFF or marker in JPEG_BARE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in JPEG_FRAMES and at + 10 <= len(content):
            _check_size(int.from_bytes(content[at + 7 : at + 9]), int.from_bytes(content[at + 5 : at + 7]))
            framed = True
        if marker == 0xDA:
            if framed and b"\xff\xd9" in content[at:]:
                return
            break
        at += 2 + max(int.from_bytes(content[at + 2 : at + 4]), 2)
    raise NotAPicture("is a JPEG that is damaged or breaks off, or of a kind that cannot be printed")


def _check_svg(content: bytes) -> None:
    """Plain shapes only: nothing that acts, that is loaded from elsewhere or that unfolds into more."""
    lowered = content.lower()
    if b"<!doctype" in lowered or b"<!entity" in lowered:
        raise NotAPicture("is an SVG with a document type; save it as plain SVG")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314  no entities: see above
    except (ElementTree.ParseError, ValueError, LookupError):
        raise NotAPicture("is no well-formed SVG") from None
    if root.tag != f"{{{SVG}}}svg":
        raise NotAPicture("is XML but no SVG image")
    for count, element in enumerate(root.iter()):
        if count >= SVG_ELEMENTS_MAX:
            raise NotAPicture(f"is an SVG of more than {SVG_ELEMENTS_MAX} elements; simplify it")
        name = str(element.tag).rpartition("}")[2]
        if name in ACTIVE:
            raise NotAPicture(f"is an SVG with <{name}>; save it as plain shapes")
        _check_attributes(element)


def _check_attributes(element: ElementTree.Element) -> None:
    for key, value in (*element.attrib.items(), ("", element.text or "")):
        name = key.rpartition("}")[2].lower()
        if name.startswith("on") or (name == "href" and not value.startswith("#")) or _REMOTE.search(value):
            raise NotAPicture("is an SVG that loads or runs something; save it as plain shapes")

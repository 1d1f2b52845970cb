"""Draws the picture of a category: a disc on a ground of its colour, as PNG, in plain Python."""

from __future__ import annotations

import colorsys
import struct
import zlib

SIZE = 160
"""Width and height in pixels."""


def draw(hue: int, size: int = SIZE) -> bytes:
    """Return a PNG of ``size`` x ``size`` pixels in ``hue`` (0 to 359)."""
    rows = bytearray()
    centre = size / 2
    for y in range(size):
        rows.append(0)  # PNG: this row is not filtered
        for x in range(size):
            distance = ((x - centre) ** 2 + (y - centre) ** 2) ** 0.5 / centre
            light = 0.95 - 0.45 * distance if distance < 0.7 else 0.25 + 0.1 * y / size
            red, green, blue = colorsys.hsv_to_rgb(hue / 360, 0.55, light)
            rows += bytes((int(red * 255), int(green * 255), int(blue * 255)))
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

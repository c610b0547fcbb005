"""One block of bytes for a component: a JSON header and raw arrays, so that nothing is spelled out as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

_TYPES = {"uint8": "Uint8Array", "uint32": "Uint32Array", "float32": "Float32Array", "int32": "Int32Array"}


def pack(header: Mapping[str, Any], **blobs: np.ndarray | bytes) -> bytes:
    """Layout: length of the header (uint32), the header, then each blob at a multiple of four bytes."""
    parts: list[bytes] = []
    entries: dict[str, tuple[str, int, int]] = {}
    offset = 0
    for name, blob in blobs.items():
        array = np.frombuffer(blob, np.uint8) if isinstance(blob, bytes) else np.ascontiguousarray(blob)
        raw = array.tobytes()
        entries[name] = (_TYPES[array.dtype.name], offset, array.size)
        padding = -len(raw) % 4
        parts += [raw, b"\0" * padding]
        offset += len(raw) + padding
    text = json.dumps({**header, "blobs": entries}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return b"".join([np.uint32(len(text)).tobytes(), text, *parts])


RENEWED = """
const releases = new WeakMap();
// Streamlit calls what a component returns only when it leaves the page: a run lets go itself of what the last one held.
function renewed(root, release) {
  releases.get(root)?.();
  releases.set(root, release);
  return release;
}
"""
"""JavaScript for a component that watches or holds something: what it returns at its end, and calls at its next run."""

UNPACK = (
    RENEWED
    + """
const ARRAYS = {Uint8Array, Uint32Array, Float32Array, Int32Array};
function unpack(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);  // blobs need alignment
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const blobs = {};
  for (const [name, [type, offset, size]] of Object.entries(header.blobs))
    blobs[name] = new ARRAYS[type](buffer, 4 + length + offset, size);
  return {header, blobs};
}
// Colour table of 256 RGB triples as 256 little-endian RGBA words, the form in which canvases store pixels.
function words(table) {
  const out = new Uint32Array(256);
  for (let i = 0; i < 256; i++)
    out[i] = (255 << 24) | (table[3 * i + 2] << 16) | (table[3 * i + 1] << 8) | table[3 * i];
  return out;
}
// A few digits, a true minus sign, and a thin space before an exponent would only confuse: 0.0123, 12.3, 1.2e-7.
function short(value) {
  if (value === 0) return '0';
  const size = Math.abs(value);
  const text = size >= 1e4 || size < 1e-3 ? value.toExponential(1) : String(+value.toPrecision(3));
  return text.replace('-', '\\u2212').replace('e+', 'e');
}
"""
)
"""JavaScript that every component which takes a payload puts before its own code."""

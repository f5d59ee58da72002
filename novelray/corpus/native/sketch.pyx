# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What deduplication reads of a text: its characters without blanks, its folded units, the hashes of its n-grams."""

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND, PyUnicode_READ, Py_UNICODE_ISSPACE
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef inline uint64_t _mixed(uint64_t h) noexcept nogil:
    h ^= h >> 32
    h *= <uint64_t>0xC2B2AE3D27D4EB4FULL
    return h ^ h >> 32


def bare(str text):
    """UTF-8 (surrogates as they are) of a text without its whitespace. See dedup/exact.py."""
    cdef Py_ssize_t at, length = len(text), end = 0
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    cdef bytearray out = bytearray(length * (kind + 1 if kind < 4 else 4))
    cdef uint8_t[::1] view = out
    cdef uint8_t *to = &view[0] if length else NULL
    cdef uint32_t c
    for at in range(length):
        c = PyUnicode_READ(kind, data, at)
        # Where all whitespace lies: to ask of each Hanzi would take as long as all the rest.
        if c <= 0x20 or c == 0x3000 or 0x7F < c < 0xA1 or 0x1680 <= c <= 0x205F:
            if Py_UNICODE_ISSPACE(c):
                continue
        if c < 0x80:
            to[end] = <uint8_t>c
            end += 1
        elif c < 0x800:
            to[end] = <uint8_t>(0xC0 | c >> 6)
            to[end + 1] = <uint8_t>(0x80 | c & 0x3F)
            end += 2
        elif c < 0x10000:
            to[end] = <uint8_t>(0xE0 | c >> 12)
            to[end + 1] = <uint8_t>(0x80 | c >> 6 & 0x3F)
            to[end + 2] = <uint8_t>(0x80 | c & 0x3F)
            end += 3
        else:
            to[end] = <uint8_t>(0xF0 | c >> 18)
            to[end + 1] = <uint8_t>(0x80 | c >> 12 & 0x3F)
            to[end + 2] = <uint8_t>(0x80 | c >> 6 & 0x3F)
            to[end + 3] = <uint8_t>(0x80 | c & 0x3F)
            end += 4
    return memoryview(out)[:end]


def fold(str text, const uint16_t[::1] table, uint16_t[::1] out, uint32_t hanzi):
    """Write the folded UTF-16 units of a text to `out` (two for each character are enough).

    Returns how many there are, and how many of them are `hanzi` or more. `table` as dedup/fold.py makes it.
    """
    cdef Py_ssize_t at, length = len(text), end = 0, above = 0
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    cdef uint32_t c
    cdef uint16_t folded
    for at in range(length):
        c = PyUnicode_READ(kind, data, at)
        if c > 0xFFFF:
            c -= 0x10000
            out[end] = table[0xD800 + (c >> 10)]
            out[end + 1] = table[0xDC00 + (c & 0x3FF)]
            end += 2
            above += 2
            continue
        folded = table[c]
        out[end] = folded
        end += folded != 0
        above += folded >= hanzi
    return end, above


def hanzi_below(const uint16_t[::1] codes, uint64_t limit, uint64_t[::1] out):
    """Write the hashes of every 5 codes that are below `limit` to `out`, in order; returns how many there are."""
    cdef Py_ssize_t at, count = codes.shape[0] - 4, end = 0
    cdef uint64_t h
    for at in range(count):
        memcpy(&h, &codes[at], 8)
        h *= <uint64_t>0x9E3779B97F4A7C15ULL
        h ^= h >> 32
        h = _mixed(h + codes[at + 4] * <uint64_t>0xD6E8FEB86659FD93ULL)
        out[end] = h
        end += h < limit
    return end


def letters_below(const uint16_t[::1] codes, uint64_t limit, uint64_t[::1] out):
    """As `hanzi_below`, for every 8 letters, a byte of each code."""
    cdef Py_ssize_t at, count = codes.shape[0], end = 0
    cdef uint64_t h, window = 0
    for at in range(count):
        window = window >> 8 | <uint64_t>((codes[at] ^ codes[at] >> 8) & 0xFF) << 56
        if at < 7:
            continue
        h = _mixed(window * <uint64_t>0x9E3779B97F4A7C15ULL)
        out[end] = h
        end += h < limit
    return end

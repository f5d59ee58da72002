# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One pass over a text: which characters it has, and where some of them stand. See novelray/corpus/alphabet.py."""

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND, PyUnicode_READ
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc, free

cdef Py_ssize_t SIZE = 0x110000


def alphabet(str text):
    """The characters that occur in a text, a list in the order of their code points."""
    cdef Py_ssize_t at, length = len(text)
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    cdef Py_ssize_t size = 256 if kind == 1 else 0x10000 if kind == 2 else SIZE
    cdef uint8_t *seen = <uint8_t *>calloc(size, 1)
    if seen == NULL:
        raise MemoryError
    try:
        for at in range(length):
            seen[PyUnicode_READ(kind, data, at)] = 1
        return [chr(at) for at in range(size) if seen[at]]
    finally:
        free(seen)


def pairs(
    str text, Py_ssize_t start, Py_ssize_t end,
    const uint8_t[::1] first, const uint8_t[::1] second, const uint8_t[::1] some,
):
    """Where, from `start` on and before `end`, a character of the first table stands before one of the second.

    `first`, `second`: a flag for each code point; `some`: a flag for each place that `_keys` gives a pair.
    """
    cdef Py_ssize_t at, stop = min(end, len(text) - 1)
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    cdef uint32_t before, after
    cdef list found = []
    if start >= stop:
        return found
    before = PyUnicode_READ(kind, data, start)
    for at in range(start, stop):
        after = PyUnicode_READ(kind, data, at + 1)
        if first[before] and second[after] and some[(before * <uint32_t>0x9E37 ^ after) & 0xFFFF]:
            found.append(at)
        before = after
    return found


def flagged(const uint8_t[::1] flags, const uint32_t[::1] points, Py_ssize_t[::1] out):
    """Write the places of the points that have a flag to `out`, in order; returns how many there are."""
    cdef Py_ssize_t at, end = 0
    for at in range(points.shape[0]):
        out[end] = at
        end += flags[points[at]] != 0
    return end

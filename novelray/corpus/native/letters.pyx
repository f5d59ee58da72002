# cython: language_level=3, boundscheck=False, wraparound=False
"""Letters looked up in tables; the tables are those of the modules that call."""

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND, PyUnicode_READ


def counts(str text, const unsigned char[::1] classes, Py_ssize_t kinds):
    """How many characters of each class a text has: a list of `kinds` numbers. `classes`: the class of each code point."""
    cdef Py_ssize_t found[256]
    cdef Py_ssize_t at, length = len(text)
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    for at in range(256):
        found[at] = 0
    for at in range(length):
        found[classes[PyUnicode_READ(kind, data, at)]] += 1
    return [found[at] for at in range(kinds)]

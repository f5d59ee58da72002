# cython: language_level=3, boundscheck=False, wraparound=False
"""What a text's lines are and what they begin with; the tables are those of the modules that call."""

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND, PyUnicode_READ, Py_UNICODE_ISSPACE

ctypedef fused Char:  # what a string of each kind holds
    unsigned char
    unsigned short
    unsigned int

cdef enum:
    STEP = 32  # characters that are compared at once
    SHORT = 1024  # lines below this length are counted in an array


cdef Py_ssize_t _break(const Char *data, Py_ssize_t at, Py_ssize_t length) noexcept nogil:
    cdef Py_ssize_t i
    cdef Char found  # as wide as a character, so that as many are compared at once as fit
    while at + STEP <= length:
        found = 0
        for i in range(STEP):
            found |= <Char> (data[at + i] == 10)
        if found:
            break
        at += STEP
    while at < length and data[at] != 10:
        at += 1
    return at


cdef Py_ssize_t _line_end(str text, Py_ssize_t at):
    """Where the next line break from `at` on is; the text's length where none follows."""
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    if kind == 1:
        return _break(<const unsigned char *> data, at, len(text))
    if kind == 2:
        return _break(<const unsigned short *> data, at, len(text))
    return _break(<const unsigned int *> data, at, len(text))


cdef Py_ssize_t _next(str text, const unsigned char[::1] classes, unsigned char wanted, bint same, Py_ssize_t at):
    """The next place from `at` on with the wanted class, or with any other; the text's length where there is none."""
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    cdef Py_ssize_t length = len(text)
    while at < length and (classes[PyUnicode_READ(kind, data, at)] == wanted) != same:
        at += 1
    return at


cdef Py_ssize_t _near(const Char *data, Py_ssize_t at, Py_ssize_t length, Char low, Char span) noexcept nogil:
    """A place from `at` on before which no character is in `low` to `low + span`."""
    cdef Py_ssize_t i
    cdef Char found
    while at + STEP <= length:
        found = 0
        for i in range(STEP):
            found |= <Char> (<Char> (data[at + i] - low) <= span)
        if found:
            return at
        at += STEP
    return at


def runs(str text, const unsigned char[::1] flags, unsigned char low, unsigned char high):
    """Where each unbroken run of flagged characters starts and ends. None outside of `low` to `high` is flagged."""
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    cdef Py_ssize_t start, end = 0, length = len(text)
    while True:
        if kind == 1:
            start = _near(<const unsigned char *> data, end, length, low, high - low)
        elif kind == 2:
            start = _near(<const unsigned short *> data, end, length, low, high - low)
        else:
            start = _near(<const unsigned int *> data, end, length, low, high - low)
        end = min(start + STEP, length)
        while start < end and not flags[PyUnicode_READ(kind, data, start)]:
            start += 1
        if start == length:
            return
        if start == end:
            continue
        end = _next(text, flags, 0, True, start)
        yield start, end


def heads(str text, const unsigned char[::1] classes):
    """Of each line that begins, behind characters of class 2, with one of class 1: where it starts, where that stands.

    The line that no break stands before is not looked at.
    """
    cdef Py_ssize_t start, at = 0, length = len(text)
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    while True:
        start = _line_end(text, at) + 1
        at = _next(text, classes, 2, False, start)
        if at >= length:
            return
        if classes[PyUnicode_READ(kind, data, at)] == 1:
            yield start, at


def breaks(str text):
    """How often one, two and three line breaks stand in a text, as `count` counts."""
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    cdef Py_ssize_t start, at = _line_end(text, 0), length = len(text)
    cdef Py_ssize_t single = 0, double = 0, triple = 0
    while at < length:
        start = at
        while at < length and PyUnicode_READ(kind, data, at) == 10:
            at += 1
        single += at - start
        double += (at - start) // 2
        triple += (at - start) // 3
        at = _line_end(text, at)
    return single, double, triple


def sizes(str text):
    """How many lines there are of each length, blanks at their ends not counted, and no line of blanks alone."""
    cdef Py_ssize_t counts[SHORT]
    cdef Py_ssize_t start = 0, end, stop, size
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    cdef dict found = {}
    for size in range(SHORT):
        counts[size] = 0
    while start < len(text):
        end = stop = _line_end(text, start)
        while stop > start and Py_UNICODE_ISSPACE(PyUnicode_READ(kind, data, stop - 1)):
            stop -= 1
        size = stop - start
        if size < SHORT:
            counts[size] += 1
        else:
            found[size] = found.get(size, 0) + 1
        start = end + 1
    for size in range(1, SHORT):
        if counts[size]:
            found[size] = counts[size]
    return found


cdef bint _lacks(const Char *data, Py_ssize_t length, const Py_UCS4 *signs) noexcept nogil:
    cdef Py_ssize_t at = 0, i
    cdef Char found, a = <Char> signs[0], b = <Char> signs[1], c = <Char> signs[2], d = <Char> signs[3]
    while at + STEP <= length:
        found = 0
        for i in range(STEP):
            found |= <Char> (data[at + i] == a) | <Char> (data[at + i] == b)
            found |= <Char> (data[at + i] == c) | <Char> (data[at + i] == d)
        if found:
            return False
        at += STEP
    for i in range(at, length):
        if data[i] == a or data[i] == b or data[i] == c or data[i] == d:
            return False
    return True


def lacks(str text, str signs):
    """Whether none of one to four characters stands in a text."""
    cdef Py_UCS4 four[4]
    cdef Py_ssize_t i
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    if not 0 < len(signs) <= 4:
        raise ValueError("one to four signs are looked for at once")
    if kind < 4:  # a text of narrow characters has no wide ones
        signs = "".join([sign for sign in signs if ord(sign) < (0x100 if kind == 1 else 0x10000)])
    if not signs:
        return True
    for i in range(4):
        four[i] = signs[min(i, len(signs) - 1)]
    if kind == 1:
        return _lacks(<const unsigned char *> data, len(text), four)
    if kind == 2:
        return _lacks(<const unsigned short *> data, len(text), four)
    return _lacks(<const unsigned int *> data, len(text), four)


cdef Py_ssize_t _within(const Char *data, Py_ssize_t length, Char low, Char span) noexcept nogil:
    cdef Py_ssize_t at, count = 0
    for at in range(length):
        count += <Char> (data[at] - low) <= span
    return count


def within(str text, unsigned short low, unsigned short high):
    """How many characters of a text are in `low` to `high`; both are above 0xFF."""
    cdef void *data = PyUnicode_DATA(text)
    if PyUnicode_KIND(text) == 1:
        return 0
    if PyUnicode_KIND(text) == 2:
        return _within(<const unsigned short *> data, len(text), low, high - low)
    return _within(<const unsigned int *> data, len(text), low, high - low)


def flagged_bytes(const unsigned char[::1] data, const unsigned char[::1] flags, unsigned char least):
    """How many bytes are flagged; `flags` of each of the 256, of which none from `least` on is set."""
    cdef Py_ssize_t at = 0, i, stop, length = len(data), count = 0
    cdef unsigned char found
    while at < length:
        stop = min(at + STEP, length)
        if stop == at + STEP:
            found = 0
            for i in range(STEP):
                found |= data[at + i] < least
            if not found:
                at = stop
                continue
        for i in range(at, stop):
            count += flags[data[i]]
        at = stop
    return count

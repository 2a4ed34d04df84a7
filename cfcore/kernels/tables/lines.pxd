# Lines and separators of delimited text, for `text` and `tokens`.

cimport numpy as cnp
from cpython.bytes cimport PyBytes_AsString, PyBytes_Size
from libc.string cimport memchr

from cfcore.kernels.common.arrays cimport check_array, length, pointer


cdef struct Text:
    const unsigned char *data
    Py_ssize_t size


cdef struct Line:
    Py_ssize_t end  # of its content, before LF or CR LF
    Py_ssize_t following  # start of the next line, or the size of the text


cdef inline Text text_of(object text, str name) except *:
    """Bytes of an argument that is a bytes object or an array of uint8."""
    if isinstance(text, bytes):
        return Text(data=<const unsigned char *>PyBytes_AsString(text), size=PyBytes_Size(text))
    check_array(text, cnp.NPY_UINT8, 1, False, name)
    return Text(data=<const unsigned char *>pointer(text), size=length(text))


cdef inline bytes separator_of(object separator, str function):
    """The separator as bytes, 1 to 4 of them."""
    if not isinstance(separator, str):
        raise TypeError(f"{function}: the separator must be a str, not {type(separator).__name__}")
    if not (1 <= len(separator) <= 4 and separator.isascii()):
        raise ValueError(f"{function}: the separator must be 1 to 4 ASCII characters")
    return separator.encode()


cdef inline Line line_at(const Text *text, Py_ssize_t begin) noexcept nogil:
    """The line that begins at `begin`."""
    cdef const void *newline = memchr(text.data + begin, 10, text.size - begin)
    cdef Py_ssize_t end = text.size if newline == NULL else (<const unsigned char *>newline) - text.data
    cdef Py_ssize_t following = min(end + 1, text.size)
    if end > begin and text.data[end - 1] == 13:
        end -= 1
    return Line(end=end, following=following)


cdef inline Py_ssize_t skip_blanks(const unsigned char *data, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Position of the first byte from `at` on that is no blank, or `end`."""
    while at < end and data[at] == 32:
        at += 1
    return at


cdef inline bint has_fields(const unsigned char *data, Py_ssize_t at, Py_ssize_t end,
                            const unsigned char *separator, Py_ssize_t n) noexcept nogil:
    """Whether anything but separators and blanks is between `at` and `end`."""
    while at < end:
        if matches(data, at, end, separator, n):
            at += n
        elif data[at] == 32:
            at += 1
        else:
            return True
    return False


cdef inline bint matches(const unsigned char *data, Py_ssize_t at, Py_ssize_t end,
                         const unsigned char *separator, Py_ssize_t n) noexcept nogil:
    """Whether the separator, of n bytes, is at `at`."""
    cdef Py_ssize_t k
    if at + n > end or data[at] != separator[0]:
        return False
    for k in range(1, n):
        if data[at + k] != separator[k]:
            return False
    return True

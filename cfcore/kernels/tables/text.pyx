"""Rows of numbers out of delimited text: what a rating file is, at the speed of a scan.

Only plain numbers are read here. At the first thing that is none (a quote, a name, an id with a leading
zero, "nan") the kernel stops and says where, and the caller decides. The twin is `cfcore.reference.tables.text`.
"""
from libc.float cimport FLT_MAX
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memchr

cdef enum:
    SKIP = 0
    USER = 1
    ITEM = 2
    RATING = 3
    TIMESTAMP = 4

# Powers of ten that a double holds exactly: a decimal of up to 15 digits is then correctly rounded.
cdef double[23] POWERS = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
                          1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22]


cdef inline bint is_digit(unsigned char c) noexcept nogil:
    return c >= 48 and c <= 57


cdef inline Py_ssize_t skip_blanks(const unsigned char *text, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    while at < end and text[at] == 32:
        at += 1
    return at


cdef inline Py_ssize_t read_integer(const unsigned char *text, Py_ssize_t at, Py_ssize_t end,
                                    int64_t *out) noexcept nogil:
    """Parse -?(0|[1-9][0-9]{0,17}); return where it ends, or -1 if there is none."""
    cdef bint negative = at < end and text[at] == 45
    cdef Py_ssize_t start
    cdef int64_t number = 0
    at += negative
    start = at
    while at < end and is_digit(text[at]):
        if at - start == 18:
            return -1
        number = number * 10 + (text[at] - 48)
        at += 1
    # "007" and "7" are two ids, "-0" and "0" too: not integers, but strings that must stay as they are.
    if at == start or (text[start] == 48 and (at - start > 1 or negative)):
        return -1
    out[0] = -number if negative else number
    return at


cdef inline Py_ssize_t read_decimal(const unsigned char *text, Py_ssize_t at, Py_ssize_t end,
                                    double *out) noexcept nogil:
    """Parse [+-]?digits[.digits][e[+-]digits]; return where it ends, or -1 if there is none."""
    cdef bint negative = at < end and text[at] == 45, negative_power = False
    cdef uint64_t digits = 0
    cdef int power = 0, kept = 0, seen = 0, exponent = 0
    cdef bint after_point = False
    cdef Py_ssize_t start
    if at < end and (text[at] == 45 or text[at] == 43):
        at += 1
    while at < end:
        if is_digit(text[at]):
            seen = 1
            if kept < 19:
                digits = digits * 10 + (text[at] - 48)
                kept += digits > 0
                power -= after_point
            elif not after_point:
                power += 1
        elif text[at] == 46 and not after_point:
            after_point = True
        else:
            break
        at += 1
    if not seen:
        return -1
    if at < end and (text[at] | 32) == 101:
        at += 1
        if at < end and (text[at] == 43 or text[at] == 45):
            negative_power = text[at] == 45
            at += 1
        start = at
        while at < end and is_digit(text[at]):
            if at - start == 4:
                return -1
            exponent = exponent * 10 + (text[at] - 48)
            at += 1
        if at == start:
            return -1
        power += -exponent if negative_power else exponent
    if power < -22 or power > 22:
        if digits != 0:
            return -1
        power = 0
    out[0] = digits / POWERS[-power] if power < 0 else digits * POWERS[power]
    if out[0] > FLT_MAX:
        return -1
    if negative:
        out[0] = -out[0]
    return at


def parse_ratings(const unsigned char[::1] text, const int32_t[::1] layout, int64_t[::1] users,
                  int64_t[::1] items, float[::1] values, int64_t[::1] timestamps,
                  str separator, Py_ssize_t begin):
    """Read rows of plain numbers until the text ends, the arrays are full, or something else turns up.

    Parameters
    ----------
    text : uint8[size]
        Lines end in LF or CR LF; the last one may lack it. Blank lines are passed over.
    layout : int32[n_columns]
        What each column of the file is: 0 skip, 1 user, 2 item, 3 rating, 4 timestamp. Further columns are
        skipped.
    users, items, timestamps : int64[capacity], filled
    values : float32[capacity], filled
    separator : str of 1 to 4 ASCII characters
    begin : int
        Where to start in `text`; the start of a line.

    Returns
    -------
    n_rows : int
        Rows read.
    end : int
        Start of the first line that was not read: the size of the text when all was.
    column : int
        Why it stopped: 0 at the end or with full arrays; 1 to 4 when that role's field in the line at
        `end` is missing or not a plain number.

    Raises
    ------
    ValueError
        For lengths that do not fit, an unknown role, a separator that is empty, too long or not ASCII, or
        a start outside of the text.

    Notes
    -----
    Ids and timestamps are decimal integers of up to 18 digits without leading zeros; a timestamp may end
    in a fraction of zeros only. Ratings are decimals that float32 can hold; 19 digits are kept.
    """
    cdef bytes separator_bytes = separator.encode()
    cdef const unsigned char *sep = separator_bytes
    cdef Py_ssize_t n_sep = len(separator_bytes)
    cdef Py_ssize_t size = text.shape[0], capacity = users.shape[0], n_columns = layout.shape[0]
    cdef Py_ssize_t n_rows = 0, line = begin, end, at, column, k
    cdef int stopped = 0, role
    cdef double number = 0
    cdef const unsigned char *data
    cdef const void *newline
    if items.shape[0] != capacity or values.shape[0] != capacity or timestamps.shape[0] != capacity:
        raise ValueError("parse_ratings: the four arrays must be of one length")
    if not (1 <= n_sep <= 4 and separator.isascii()):
        raise ValueError("parse_ratings: the separator must be 1 to 4 ASCII characters")
    if not 0 <= begin <= size:
        raise ValueError("parse_ratings: begin is outside of the text")
    for k in range(n_columns):
        if not SKIP <= layout[k] <= TIMESTAMP:
            raise ValueError(f"parse_ratings: role {layout[k]} of column {k} is unknown")
    if size == 0:
        return 0, 0, 0
    data = &text[0]
    with nogil:
        while line < size and n_rows < capacity:
            newline = memchr(data + line, 10, size - line)
            end = size if newline == NULL else (<const unsigned char *>newline) - data
            k = end
            if end > line and data[end - 1] == 13:
                end -= 1
            at = skip_blanks(data, line, end)
            if at == end:
                line = min(k + 1, size)
                continue
            at = line
            for column in range(n_columns):
                role = layout[column]
                if column > 0:
                    # The separator must follow, or the line has too few columns.
                    if at + n_sep > end:
                        at = -1
                    else:
                        for stopped in range(<int>n_sep):
                            if data[at + stopped] != sep[stopped]:
                                at = -1
                                break
                        stopped = 0
                    if at < 0:
                        if role == SKIP:
                            role = next_role(layout, column)
                        stopped = role
                        break
                    at += n_sep
                if role == SKIP:
                    while at < end and not (data[at] == sep[0] and matches(data, at, end, sep, n_sep)):
                        at += 1
                    continue
                if sep[0] != 32:
                    at = skip_blanks(data, at, end)
                if role == USER:
                    at = read_integer(data, at, end, &users[n_rows])
                elif role == ITEM:
                    at = read_integer(data, at, end, &items[n_rows])
                elif role == RATING:
                    at = read_decimal(data, at, end, &number)
                    values[n_rows] = <float>number
                else:
                    at = read_integer(data, at, end, &timestamps[n_rows])
                    if at >= 0 and at < end and data[at] == 46:
                        at += 1
                        while at < end and data[at] == 48:
                            at += 1
                if at >= 0 and sep[0] != 32:
                    at = skip_blanks(data, at, end)
                # What follows a number is a separator or the end of the line.
                if at < 0 or (at < end and not matches(data, at, end, sep, n_sep)):
                    stopped = role
                    break
            if stopped:
                break
            n_rows += 1
            line = min(k + 1, size)
    return n_rows, line, stopped


cdef inline bint matches(const unsigned char *text, Py_ssize_t at, Py_ssize_t end,
                         const unsigned char *sep, Py_ssize_t n_sep) noexcept nogil:
    cdef Py_ssize_t k
    if at + n_sep > end:
        return False
    for k in range(n_sep):
        if text[at + k] != sep[k]:
            return False
    return True


cdef inline int next_role(const int32_t[::1] layout, Py_ssize_t column) noexcept nogil:
    """First role from `column` on: the one whose field is missing."""
    cdef Py_ssize_t k
    for k in range(column, layout.shape[0]):
        if layout[k] != SKIP:
            return layout[k]
    return RATING

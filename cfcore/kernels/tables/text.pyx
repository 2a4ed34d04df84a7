"""Rows of numbers out of delimited text, parsed in one scan.

Only plain numbers are read here. At the first field that is none (a quote, a name, an id with a leading
zero, "nan") the kernel stops and returns its row and column. The twin is `cfcore.reference.tables.text`.
"""
cimport numpy as cnp
from libc.float cimport FLT_MAX
from libc.stdint cimport int32_t, int64_t, uint64_t

from cfcore.kernels.common.arrays cimport check_array, length, pointer
from cfcore.kernels.tables.lines cimport (
    Line, Text, has_fields, line_at, matches, separator_of, skip_blanks, text_of,
)

from cfcore.kernels.records import check_apart

cnp.import_array()

cdef enum:
    SKIP = 0
    USER = 1
    ITEM = 2
    RATING = 3
    TIMESTAMP = 4
    END = 5

# Powers of ten that a double holds exactly: a decimal of up to 15 digits is then correctly rounded.
cdef double[23] POWERS = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
                          1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22]


cdef inline bint is_digit(unsigned char c) noexcept nogil:
    return c >= 48 and c <= 57


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


cdef struct Columns:
    # Role of each column of the file, and the arrays to fill.
    const int32_t *layout
    Py_ssize_t n
    int64_t *users
    int64_t *items
    float *values
    int64_t *timestamps


def parse_ratings(text, layout, users, items, values, timestamps, separator, begin):
    """Read rows of plain numbers until the text ends, the arrays are full, or a field is no plain number.

    Parameters
    ----------
    text : bytes or uint8[size]
        Lines end in LF or CR LF; the last one may lack it. Blank lines are skipped.
    layout : int32[n_columns]
        Role of each column of the file: 0 skip, 1 user, 2 item, 3 rating, 4 timestamp. Further columns
        are skipped, unless 5 stands in the last place: then a line must not have any, except empty ones, and
        need not have those to skip at its end.
    users, items, timestamps : int64[capacity], filled
    values : float32[capacity], filled
    separator : str of 1 to 4 ASCII characters
    begin : int
        Start of the first line to read, in bytes.

    Returns
    -------
    n_rows : int
        Rows read.
    end : int
        Start of the first line that was not read: the size of the text when all was.
    column : int
        Why it stopped: 0 at the end or with full arrays; 1 to 4 when that role's field in the line at
        `end` is missing or not a plain number; 5 when that line has further columns.

    Raises
    ------
    TypeError
        For an argument that is not of its type.
    ValueError
        For arrays of another dtype or length, or that share memory, an unknown role, a separator that is
        empty, too long or not ASCII, or a start outside of the text.

    Notes
    -----
    Ids and timestamps are decimal integers of up to 18 digits without leading zeros; a timestamp may end
    in a fraction of zeros only. Ratings are decimals that float32 can hold; 19 digits are kept. O(size).
    """
    cdef Text data = text_of(text, "parse_ratings: text")
    check_array(layout, cnp.NPY_INT32, 1, False, "parse_ratings: layout")
    check_array(users, cnp.NPY_INT64, 1, True, "parse_ratings: users")
    check_array(items, cnp.NPY_INT64, 1, True, "parse_ratings: items")
    check_array(values, cnp.NPY_FLOAT32, 1, True, "parse_ratings: values")
    check_array(timestamps, cnp.NPY_INT64, 1, True, "parse_ratings: timestamps")
    cdef bytes encoded = separator_of(separator, "parse_ratings")
    filled = {"users": users, "items": items, "values": values, "timestamps": timestamps}
    read = {"layout": layout} if isinstance(text, bytes) else {"layout": layout, "text": text}
    check_apart("parse_ratings", filled, read)
    cdef Columns columns = Columns(
        layout=<const int32_t *>pointer(layout), n=length(layout), users=<int64_t *>pointer(users),
        items=<int64_t *>pointer(items), values=<float *>pointer(values),
        timestamps=<int64_t *>pointer(timestamps),
    )
    cdef const unsigned char *sep = encoded
    cdef Py_ssize_t n_sep = len(encoded), capacity = length(users), n_rows = 0, start, k
    cdef int stopped = 0
    cdef Line line
    if length(items) != capacity or length(values) != capacity or length(timestamps) != capacity:
        raise ValueError("parse_ratings: the four arrays must be of one length")
    if not 0 <= begin <= data.size:
        raise ValueError("parse_ratings: begin is outside of the text")
    for k in range(columns.n):
        if columns.layout[k] == END and k == columns.n - 1:
            continue
        if not SKIP <= columns.layout[k] <= TIMESTAMP:
            raise ValueError(f"parse_ratings: role {columns.layout[k]} of column {k} is unknown")
    start = begin
    with nogil:
        while start < data.size and n_rows < capacity:
            line = line_at(&data, start)
            if skip_blanks(data.data, start, line.end) < line.end:
                stopped = parse_line(data.data, start, line.end, sep, n_sep, &columns, n_rows)
                if stopped:
                    break
                n_rows += 1
            start = line.following
    return n_rows, start, stopped


cdef inline int parse_line(const unsigned char *data, Py_ssize_t at, Py_ssize_t end, const unsigned char *sep,
                           Py_ssize_t n_sep, const Columns *columns, Py_ssize_t row) noexcept nogil:
    """Read one line into a row; return 0, or the role of the first field that is missing or no number."""
    cdef Py_ssize_t column
    cdef int role
    cdef double number = 0
    for column in range(columns.n):
        role = columns.layout[column]
        if role == END:
            return END if has_fields(data, at, end, sep, n_sep) else 0
        if column > 0:
            if not matches(data, at, end, sep, n_sep):  # the line has too few columns
                return next_role(columns, column)
            at += n_sep
        if role == SKIP:
            while at < end and not matches(data, at, end, sep, n_sep):
                at += 1
            continue
        if sep[0] != 32:
            at = skip_blanks(data, at, end)
        if role == USER:
            at = read_integer(data, at, end, &columns.users[row])
        elif role == ITEM:
            at = read_integer(data, at, end, &columns.items[row])
        elif role == RATING:
            at = read_decimal(data, at, end, &number)
            columns.values[row] = <float>number
        else:
            at = read_integer(data, at, end, &columns.timestamps[row])
            if at >= 0 and at < end and data[at] == 46:
                at += 1
                while at < end and data[at] == 48:
                    at += 1
        if at >= 0 and sep[0] != 32:
            at = skip_blanks(data, at, end)
        # A number ends at a separator or at the end of the line.
        if at < 0 or (at < end and not matches(data, at, end, sep, n_sep)):
            return role
    return 0


cdef inline int next_role(const Columns *columns, Py_ssize_t column) noexcept nogil:
    """First role from `column` on: the one whose field is missing; 0 if only columns to skip are."""
    cdef Py_ssize_t k
    for k in range(column, columns.n):
        if columns.layout[k] == END:
            return 0
        if columns.layout[k] != SKIP:
            return columns.layout[k]
    return RATING

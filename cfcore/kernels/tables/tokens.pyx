"""Fields out of delimited text, and equal fields found by hashing: how string ids become codes.

For files that `cfcore.kernels.tables.text` cannot parse: ids that are no plain integers, quoted fields. The
twin is `cfcore.reference.tables.tokens`.
"""
cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcmp

from cfcore.kernels.common.arrays cimport check_array, length, pointer
from cfcore.kernels.tables.lines cimport Line, Text, has_fields, line_at, separator_of, skip_blanks, text_of

from cfcore.kernels.records import check_apart

cnp.import_array()


cdef inline Py_ssize_t field_end(const unsigned char *text, Py_ssize_t at, Py_ssize_t end,
                                 const unsigned char *sep, Py_ssize_t n_sep) noexcept nogil:
    """End of the field that starts at `at`: the next separator outside of quotes, or the end of the line."""
    cdef bint quoted = at < end and text[at] == 34
    if quoted:
        at += 1
        while at < end:
            if text[at] == 34:
                if at + 1 < end and text[at + 1] == 34:  # "" inside of quotes is one quote
                    at += 1
                else:
                    at += 1
                    break
            at += 1
    while at < end:
        if text[at] == sep[0] and at + n_sep <= end and memcmp(text + at, sep, n_sep) == 0:
            return at
        at += 1
    return end


cdef struct Fields:
    # Row of `starts` for each column of the file (-1: none), and the arrays to fill.
    const int32_t *layout
    Py_ssize_t n_columns, n_needed
    bint closed  # whether a line must not have further columns
    int64_t *starts
    int32_t *lengths
    Py_ssize_t capacity


def locate_fields(text, layout, starts, lengths, separator, begin):
    """Start and length of the wanted fields of each row, until the text ends or the arrays are full.

    Parameters
    ----------
    text : bytes or uint8[size]
        Lines end in LF or CR LF; the last one may lack it. Blank lines are skipped.
    layout : int32[n_columns]
        For each column of the file the row of `starts` that takes it, or -1 to skip it. Further columns are
        skipped, unless -2 stands in the last place: then a line must not have any, except empty ones, and
        need not have those to skip at its end.
    starts : int64[n_fields, capacity], filled
    lengths : int32[n_fields, capacity], filled
        Bytes of the field, quotes included, blanks around it not.
    separator : str of 1 to 4 ASCII characters
        Inside of double quotes it does not separate. A line break always ends the row.
    begin : int
        Start of the first line to read, in bytes.

    Returns
    -------
    n_rows : int
        Rows read.
    end : int
        Start of the first line that was not read.
    n_found : int
        -1, or the number of columns of the line at `end` when those are too few or too many.

    Raises
    ------
    TypeError
        For an argument that is not of its type.
    ValueError
        For arrays of another dtype or shape, or that share memory, a layout out of range, an unusable
        separator, or a start outside of the text.

    Notes
    -----
    O(size).
    """
    cdef Text data = text_of(text, "locate_fields: text")
    check_array(layout, cnp.NPY_INT32, 1, False, "locate_fields: layout")
    check_array(starts, cnp.NPY_INT64, 2, True, "locate_fields: starts")
    check_array(lengths, cnp.NPY_INT32, 2, True, "locate_fields: lengths")
    cdef bytes encoded = separator_of(separator, "locate_fields")
    read = {"layout": layout} if isinstance(text, bytes) else {"layout": layout, "text": text}
    check_apart("locate_fields", {"starts": starts, "lengths": lengths}, read)
    cdef Py_ssize_t n_fields = length(starts), n_rows = 0, n_found = -1, start, column
    cdef Py_ssize_t n_columns = length(layout)
    cdef const int32_t *row_of = <const int32_t *>pointer(layout)
    cdef bint closed = n_columns > 0 and row_of[n_columns - 1] == -2
    cdef Fields fields = Fields(
        layout=row_of, n_columns=n_columns - closed, n_needed=n_columns - closed, closed=closed,
        starts=<int64_t *>pointer(starts), lengths=<int32_t *>pointer(lengths), capacity=starts.shape[1],
    )
    cdef const unsigned char *sep = encoded
    cdef Py_ssize_t n_sep = len(encoded)
    cdef Line line
    if starts.shape != lengths.shape:
        raise ValueError("locate_fields: starts and lengths must be of one shape")
    if not 0 <= begin <= data.size:
        raise ValueError("locate_fields: begin is outside of the text")
    for column in range(fields.n_columns):
        if not -1 <= fields.layout[column] < n_fields:
            raise ValueError(f"locate_fields: field {fields.layout[column]} of column {column} "
                             "does not exist")
    while closed and fields.n_needed > 0 and row_of[fields.n_needed - 1] < 0:
        fields.n_needed -= 1
    start = begin
    with nogil:
        while start < data.size and n_rows < fields.capacity:
            line = line_at(&data, start)
            if skip_blanks(data.data, start, line.end) < line.end:
                n_found = locate_in_line(data.data, start, line.end, sep, n_sep, &fields, n_rows)
                if n_found >= 0:
                    break
                n_rows += 1
            start = line.following
    return n_rows, start, n_found


cdef inline Py_ssize_t locate_in_line(const unsigned char *data, Py_ssize_t at, Py_ssize_t end,
                                      const unsigned char *sep, Py_ssize_t n_sep, const Fields *fields,
                                      Py_ssize_t row) noexcept nogil:
    """Fields of one line; return -1, or the number of columns when those are too few or too many."""
    cdef Py_ssize_t column, stop = at, first, last, entry
    for column in range(fields.n_columns):
        stop = field_end(data, at, end, sep, n_sep)
        if fields.layout[column] >= 0:
            first, last = skip_blanks(data, at, stop), stop
            while last > first and data[last - 1] == 32:
                last -= 1
            entry = fields.layout[column] * fields.capacity + row
            fields.starts[entry] = first
            fields.lengths[entry] = <int32_t>(last - first)
        if stop == end and column + 1 < fields.n_columns:
            return column + 1 if column + 1 < fields.n_needed else -1
        at = stop + n_sep
    if not fields.closed or not has_fields(data, stop, end, sep, n_sep):
        return -1
    column = fields.n_columns
    while stop < end:
        stop = field_end(data, stop + n_sep if column > 0 else stop, end, sep, n_sep)
        column += 1
    return column


cdef inline uint64_t token_hash(const unsigned char *token, Py_ssize_t n) noexcept nogil:
    """FNV-1a, its high bits folded into the low ones that pick the slot."""
    cdef uint64_t mixed = 14695981039346656037ULL
    cdef Py_ssize_t k
    for k in range(n):
        mixed = (mixed ^ token[k]) * 1099511628211ULL
    return mixed ^ (mixed >> 29)


def group_tokens(text, starts, lengths, codes, first, table):
    """Number the distinct tokens in the order of their first occurrence.

    Parameters
    ----------
    text : bytes or uint8[size]
    starts, lengths : int64[n], int32[n]
        Token k is ``text[starts[k]:starts[k] + lengths[k]]``.
    codes : int32[n], overwritten
        Number of each token.
    first : int32[n], the first n_groups overwritten
        Index of the first token of each number.
    table : int32[a power of two >= 2 n], scratch, overwritten

    Returns
    -------
    int
        n_groups, the number of distinct tokens.

    Raises
    ------
    TypeError
        For an argument that is not of its type.
    ValueError
        For arrays of another dtype or length, or that share memory, or a token that is not inside the text.

    Notes
    -----
    Open addressing with linear probing; O(bytes) expected.
    """
    cdef Text data = text_of(text, "group_tokens: text")
    check_array(starts, cnp.NPY_INT64, 1, False, "group_tokens: starts")
    check_array(lengths, cnp.NPY_INT32, 1, False, "group_tokens: lengths")
    check_array(codes, cnp.NPY_INT32, 1, True, "group_tokens: codes")
    check_array(first, cnp.NPY_INT32, 1, True, "group_tokens: first")
    check_array(table, cnp.NPY_INT32, 1, True, "group_tokens: table")
    read = {"starts": starts, "lengths": lengths} | ({} if isinstance(text, bytes) else {"text": text})
    check_apart("group_tokens", {"codes": codes, "first": first, "table": table}, read)
    cdef Tokens tokens = Tokens(
        text=data.data, starts=<const int64_t *>pointer(starts), lengths=<const int32_t *>pointer(lengths),
        table=<int32_t *>pointer(table), mask=length(table) - 1, first=<int32_t *>pointer(first), n_groups=0,
    )
    cdef Py_ssize_t n = length(starts), n_slots = length(table), k, bad = -1
    cdef int32_t *group = <int32_t *>pointer(codes)
    if length(lengths) != n or length(codes) != n or length(first) != n or n > 1 << 30:
        raise ValueError("group_tokens: arrays must be of one length, at most 2^30")
    if n_slots < 2 * n or n_slots & (n_slots - 1) or n_slots == 0:
        raise ValueError("group_tokens: the table's size must be a power of two, twice the tokens or more")
    with nogil:
        for k in range(n_slots):
            tokens.table[k] = -1
        for k in range(n):
            if (tokens.starts[k] < 0 or tokens.lengths[k] < 0
                    or tokens.starts[k] > data.size - tokens.lengths[k]):
                bad = k
                break
            group[k] = group_of(&tokens, k)
    if bad >= 0:
        raise ValueError(f"group_tokens: token {bad} is outside of the text")
    return tokens.n_groups


cdef struct Tokens:
    const unsigned char *text
    const int64_t *starts
    const int32_t *lengths
    int32_t *table  # group of each slot, -1 for none
    uint64_t mask
    int32_t *first
    int32_t n_groups


cdef inline int32_t group_of(Tokens *tokens, Py_ssize_t k) noexcept nogil:
    """Number of token k, a new one if no token before equals it."""
    cdef const unsigned char *token = tokens.text + tokens.starts[k]
    cdef Py_ssize_t n = tokens.lengths[k]
    cdef uint64_t slot = token_hash(token, n) & tokens.mask
    cdef int32_t group, other
    while True:
        group = tokens.table[slot]
        if group < 0:
            tokens.table[slot] = group = tokens.n_groups
            tokens.first[group] = <int32_t>k
            tokens.n_groups += 1
            return group
        other = tokens.first[group]
        if tokens.lengths[other] == n and memcmp(tokens.text + tokens.starts[other], token, n) == 0:
            return group
        slot = (slot + 1) & tokens.mask

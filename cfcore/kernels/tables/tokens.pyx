"""Fields out of delimited text as they stand, and equal fields found by hashing: how string ids become codes.

For files that `cfcore.kernels.tables.text` cannot take: ids that are no plain integers, quoted fields. The twin is
`cfcore.reference.tables.tokens`.
"""
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memchr, memcmp


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


def locate_fields(const unsigned char[::1] text, const int32_t[::1] layout, int64_t[:, ::1] starts,
                  int32_t[:, ::1] lengths, str separator, Py_ssize_t begin):
    """Where the wanted fields of each row are, until the text ends or the arrays are full.

    Parameters
    ----------
    text : uint8[size]
        Lines end in LF or CR LF; the last one may lack it. Blank lines are passed over.
    layout : int32[n_columns]
        For each column of the file the row of `starts` that takes it, or -1 to skip it.
    starts : int64[n_fields, capacity], filled
    lengths : int32[n_fields, capacity], filled
        Bytes of the field, quotes included, blanks around it not.
    separator : str of 1 to 4 ASCII characters
        Inside of double quotes it does not separate. A line break always ends the row.
    begin : int
        Where to start in `text`; the start of a line.

    Returns
    -------
    n_rows : int
        Rows read.
    end : int
        Start of the first line that was not read.
    n_found : int
        -1, or the number of columns of the line at `end` when those are too few.

    Raises
    ------
    ValueError
        For shapes that do not fit, a layout out of range, an unusable separator, or a start outside of the
        text.
    """
    cdef bytes separator_bytes = separator.encode()
    cdef const unsigned char *sep = separator_bytes
    cdef Py_ssize_t n_sep = len(separator_bytes), size = text.shape[0], capacity = starts.shape[1]
    cdef Py_ssize_t n_columns = layout.shape[0], n_rows = 0, line = begin, end, next_line, at, stop, column
    cdef Py_ssize_t first, last, n_found = -1
    cdef const unsigned char *data
    cdef const void *newline
    if lengths.shape[0] != starts.shape[0] or lengths.shape[1] != capacity:
        raise ValueError("locate_fields: starts and lengths must be of one shape")
    if not (1 <= n_sep <= 4 and separator.isascii()):
        raise ValueError("locate_fields: the separator must be 1 to 4 ASCII characters")
    if not 0 <= begin <= size:
        raise ValueError("locate_fields: begin is outside of the text")
    for column in range(n_columns):
        if not -1 <= layout[column] < starts.shape[0]:
            raise ValueError(f"locate_fields: field {layout[column]} of column {column} does not exist")
    if size == 0:
        return 0, 0, -1
    data = &text[0]
    with nogil:
        while line < size and n_rows < capacity:
            newline = memchr(data + line, 10, size - line)
            end = size if newline == NULL else (<const unsigned char *>newline) - data
            next_line = min(end + 1, size)
            if end > line and data[end - 1] == 13:
                end -= 1
            at = line
            while at < end and data[at] == 32:
                at += 1
            if at == end:
                line = next_line
                continue
            at = line
            for column in range(n_columns):
                stop = field_end(data, at, end, sep, n_sep)
                if layout[column] >= 0:
                    first, last = at, stop
                    while first < last and data[first] == 32:
                        first += 1
                    while last > first and data[last - 1] == 32:
                        last -= 1
                    starts[layout[column], n_rows] = first
                    lengths[layout[column], n_rows] = <int32_t>(last - first)
                if stop == end and column + 1 < n_columns:
                    n_found = column + 1
                    break
                at = stop + n_sep
            if n_found >= 0:
                break
            n_rows += 1
            line = next_line
    return n_rows, line, n_found


cdef inline uint64_t token_hash(const unsigned char *token, Py_ssize_t length) noexcept nogil:
    """FNV-1a, its high bits folded into the low ones that pick the slot."""
    cdef uint64_t mixed = 14695981039346656037ULL
    cdef Py_ssize_t k
    for k in range(length):
        mixed = (mixed ^ token[k]) * 1099511628211ULL
    return mixed ^ (mixed >> 29)


def group_tokens(const unsigned char[::1] text, const int64_t[::1] starts, const int32_t[::1] lengths,
                 int32_t[::1] codes, int32_t[::1] first, int32_t[::1] table):
    """Number the distinct tokens in the order they are met.

    Parameters
    ----------
    text : uint8[size]
    starts, lengths : int64[n], int32[n]
        Token k is ``text[starts[k]:starts[k] + lengths[k]]``.
    codes : int32[n], overwritten
        Number of each token.
    first : int32[n], the first n_groups overwritten
        Where each number is met first.
    table : int32[a power of two >= 2 n], scratch, overwritten

    Returns
    -------
    int
        n_groups, the number of distinct tokens.

    Raises
    ------
    ValueError
        For lengths that do not fit, or a token that is not inside the text.

    Notes
    -----
    Open addressing with linear probing; O(bytes) expected.
    """
    cdef Py_ssize_t n = starts.shape[0], size = text.shape[0], k, bad = -1
    cdef uint64_t mask = table.shape[0] - 1, slot
    cdef int32_t n_groups = 0, group
    cdef const unsigned char *data
    if lengths.shape[0] != n or codes.shape[0] != n or first.shape[0] != n or n > 1 << 30:
        raise ValueError("group_tokens: arrays must be of one length, at most 2^30")
    if table.shape[0] < 2 * n or table.shape[0] & (table.shape[0] - 1) or table.shape[0] == 0:
        raise ValueError("group_tokens: the table's size must be a power of two, twice the tokens or more")
    if n == 0:
        return 0
    if size == 0:
        raise ValueError("group_tokens: token 0 is outside of the text")
    data = &text[0]
    with nogil:
        for k in range(table.shape[0]):
            table[k] = -1
        for k in range(n):
            if starts[k] < 0 or lengths[k] < 0 or starts[k] > size - lengths[k]:
                bad = k
                break
            slot = token_hash(data + starts[k], lengths[k]) & mask
            while True:
                group = table[slot]
                if group < 0:
                    table[slot] = n_groups
                    first[n_groups] = <int32_t>k
                    group = n_groups
                    n_groups += 1
                    break
                if lengths[first[group]] == lengths[k] and memcmp(
                        data + starts[first[group]], data + starts[k], lengths[k]) == 0:
                    break
                slot = (slot + 1) & mask
            codes[k] = group
    if bad >= 0:
        raise ValueError(f"group_tokens: token {bad} is outside of the text")
    return n_groups

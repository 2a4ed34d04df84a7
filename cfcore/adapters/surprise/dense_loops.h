/* The loops of dense.h for vectors of CF_WIDTH bytes; included once for each width. No guard: see there. */

typedef uint8_t CF_NAME(bytes) __attribute__((vector_size(CF_WIDTH)));
typedef uint16_t CF_NAME(shorts) __attribute__((vector_size(CF_WIDTH)));
typedef double CF_NAME(doubles) __attribute__((vector_size(CF_WIDTH)));
typedef int64_t CF_NAME(integers) __attribute__((vector_size(CF_WIDTH)));

CF_TARGET CF_INLINE CF_NAME(bytes) CF_NAME(load)(const uint8_t *from)
{
    CF_NAME(bytes) found;
    memcpy(&found, from, sizeof found);
    return found;
}

/* sums[quantity][lane] over the ratings of x, of what the table of its rating has for the rating of the lane. The
   sums are of bytes for `period` ratings, and of 16 bits for `long_period`. A vector of bytes has the lanes of
   its first half in the even bytes, as cf_place puts them. */
CF_TARGET CF_INLINE void CF_NAME(add_up)(const cf_dense *d, ptrdiff_t x, int32_t *CF_RESTRICT sums,
                                         const int quantities, const int at_once)
{
    const int64_t start = d->starts[x], end = d->starts[x + 1];
    int64_t own, stop, long_stop;
    ptrdiff_t lane, e;
    int q, u;
    for (lane = 0; lane < CF_BYTE_LANES; lane += at_once * CF_WIDTH) {
        own = start;
        do {
            CF_NAME(shorts) even[6][2], odd[6][2];
            for (q = 0; q < quantities; q++)
                for (u = 0; u < at_once; u++)
                    even[q][u] = odd[q][u] = (CF_NAME(shorts)){0};
            long_stop = end - own < d->long_period ? end : own + d->long_period;
            for (; own < long_stop; own = stop) {
                CF_NAME(bytes) part[6][2];
                stop = long_stop - own < d->period ? long_stop : own + d->period;
                for (q = 0; q < quantities; q++)
                    for (u = 0; u < at_once; u++)
                        part[q][u] = (CF_NAME(bytes)){0};
                for (e = own; e < stop; e++) {
                    const uint8_t *others = d->codes_of_y + d->ys[e] * (ptrdiff_t)CF_BYTE_LANES + lane;
                    const uint8_t *tables = d->tables + d->codes[e] * (ptrdiff_t)(quantities * CF_CODES);
                    CF_NAME(bytes) codes[2];
                    for (u = 0; u < at_once; u++)
                        codes[u] = CF_NAME(load)(others + u * CF_WIDTH);
                    for (q = 0; q < quantities; q++) {
                        const CF_NAME(bytes) table = CF_REPEAT(tables + q * CF_CODES);
                        for (u = 0; u < at_once; u++)
                            part[q][u] += CF_LOOK_UP(table, codes[u]);
                    }
                }
                for (q = 0; q < quantities; q++)
                    for (u = 0; u < at_once; u++) {
                        const CF_NAME(shorts) both = (CF_NAME(shorts))part[q][u];
                        even[q][u] += both & 255;
                        odd[q][u] += both >> 8;
                    }
            }
            for (q = 0; q < quantities; q++)
                for (u = 0; u < at_once; u++) {
                    int32_t *CF_RESTRICT sum = sums + q * CF_BYTE_LANES + lane + u * CF_WIDTH;
                    uint16_t halves[CF_WIDTH];
                    memcpy(halves, &even[q][u], CF_WIDTH);
                    memcpy(halves + CF_WIDTH / 2, &odd[q][u], CF_WIDTH);
                    if (long_stop - start <= d->long_period)
                        for (e = 0; e < CF_WIDTH; e++)
                            sum[e] = halves[e];
                    else
                        for (e = 0; e < CF_WIDTH; e++)
                            sum[e] += halves[e];
                }
        } while (own < end);
    }
}

CF_TARGET CF_INLINE int CF_NAME(exact)(const cf_dense *d, const cf_rule *rule, ptrdiff_t x, cf_span span,
                                       double *CF_RESTRICT found, const int measure)
{
    enum { N = CF_BYTE_LANES };
    int32_t sums[6 * CF_BYTE_LANES];
    const double unit = rule->unit, square = unit * unit;
    int status = 0;
    ptrdiff_t e;
    /* Two vectors of six quantities are too many for 16 registers. */
    CF_NAME(add_up)(d, x, sums, cf_quantities(measure), CF_WIDTH < 64 && measure != CF_MSD ? 1 : 2);
    for (e = span.first; e < span.end; e++) {
        const double n = (double)sums[e], a = (double)sums[N + e] * square;
        if (measure == CF_MSD) {
            found[e] = cf_similarity(rule, measure, n, a, 0, 0, 0, 0, &status);
        } else {
            const double b = (double)sums[2 * N + e] * square, c = (double)sums[3 * N + e] * square;
            const double own = measure == CF_PEARSON ? (double)sums[4 * N + e] * unit : 0;
            const double other = measure == CF_PEARSON ? (double)sums[5 * N + e] * unit : 0;
            found[e] = cf_similarity(rule, measure, n, a, b, c, own, other, &status);
        }
    }
    return status;
}

/* The same of residuals, whose sums are made in the order of y: what is missing adds 0. */
CF_TARGET CF_INLINE int CF_NAME(in_order)(const cf_dense *d, const cf_rule *rule, ptrdiff_t x, cf_span span,
                                          double *CF_RESTRICT found)
{
    enum { EACH = CF_WIDTH / sizeof(double), AT_ONCE = CF_WIDTH < 64 ? 2 : 4 };
    double products[CF_DOUBLE_LANES], own[CF_DOUBLE_LANES], other[CF_DOUBLE_LANES], n[CF_DOUBLE_LANES];
    const CF_NAME(integers) missing = (CF_NAME(integers)){0} + INT64_MIN; /* -0.0 */
    int status = 0, u;
    ptrdiff_t lane, e;
    for (lane = 0; lane < CF_DOUBLE_LANES; lane += AT_ONCE * EACH) {
        CF_NAME(doubles) a[AT_ONCE], b[AT_ONCE], c[AT_ONCE];
        CF_NAME(integers) count[AT_ONCE];
        for (u = 0; u < AT_ONCE; u++) {
            a[u] = b[u] = c[u] = (CF_NAME(doubles)){0};
            count[u] = (CF_NAME(integers)){0};
        }
        for (e = d->starts[x]; e < d->starts[x + 1]; e++) {
            const double *others = d->ratings_of_y + d->ys[e] * (ptrdiff_t)CF_DOUBLE_LANES + lane;
            const double r = d->ratings[e];
            const CF_NAME(doubles) square = (CF_NAME(doubles)){0} + r * r;
            for (u = 0; u < AT_ONCE; u++) {
                CF_NAME(doubles) s;
                memcpy(&s, others + u * EACH, sizeof s);
                a[u] += s * r;
                c[u] += s * s;
                CF_WHERE_RATED(s, missing, b[u], square, count[u]);
            }
        }
        for (u = 0; u < AT_ONCE; u++) {
            memcpy(products + lane + u * EACH, &a[u], sizeof a[u]);
            memcpy(own + lane + u * EACH, &b[u], sizeof b[u]);
            memcpy(other + lane + u * EACH, &c[u], sizeof c[u]);
            for (e = 0; e < EACH; e++)
                n[lane + u * EACH + e] = (double)(int32_t)count[u][e];
        }
    }
    for (e = span.first; e < span.end; e++)
        found[e] = cf_similarity(rule, CF_PEARSON_BASELINE, n[e], products[e], own[e], other[e], 0, 0, &status);
    return status;
}

/* Rows `first` to `end` of the lanes, of both halves of the matrix. */
CF_TARGET static int CF_NAME(tile)(const cf_dense *d, const cf_rule *rule, ptrdiff_t first, ptrdiff_t end)
{
    double found[CF_ROWS][CF_BYTE_LANES];
    const ptrdiff_t width = d->n_x - d->first < d->lanes ? d->n_x - d->first : d->lanes;
    int status = 0;
    ptrdiff_t x, lane;
    /* The matrix is larger than a cache; its lines come while sums are made. */
    for (lane = 0; lane < width; lane++)
        for (x = first; x < end + 7; x += 8)
            __builtin_prefetch(d->sim + (d->first + lane) * d->n_x + (x < end ? x : end - 1), 1);
    for (x = first; x < end; x++)
        for (lane = 0; lane < width; lane += 8)
            __builtin_prefetch(d->sim + x * d->n_x + d->first + lane, 1);
    for (x = first; x < end; x++) {
        cf_span span = {0, width};
        double *row = found[x - first];
        if (d->ascending && x >= d->first)
            span.first = x + 1 - d->first;
        if (!d->ascending && x < d->first + width)
            span.end = x - d->first;
        if (span.first >= span.end)
            continue;
        if (rule->measure == CF_MSD)
            status |= CF_NAME(exact)(d, rule, x, span, row, CF_MSD);
        else if (rule->measure == CF_COSINE)
            status |= CF_NAME(exact)(d, rule, x, span, row, CF_COSINE);
        else if (rule->measure == CF_PEARSON)
            status |= CF_NAME(exact)(d, rule, x, span, row, CF_PEARSON);
        else
            status |= CF_NAME(in_order)(d, rule, x, span, row);
        memcpy(d->sim + x * d->n_x + d->first + span.first, row + span.first,
               (span.end - span.first) * sizeof *row);
    }
    for (lane = 0; lane < width; lane++) {
        const ptrdiff_t other = d->first + lane;
        double *CF_RESTRICT to = d->sim + other * d->n_x;
        const ptrdiff_t start = !d->ascending && other >= first ? other + 1 : first;
        const ptrdiff_t stop = d->ascending && other < end ? other : end;
        for (x = start; x < stop; x++)
            to[x] = found[x - first][lane];
    }
    return status;
}

#undef CF_WIDTH
#undef CF_TARGET
#undef CF_NAME
#undef CF_REPEAT
#undef CF_LOOK_UP
#undef CF_WHERE_RATED

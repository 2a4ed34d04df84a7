/* Products of a few rows with a panel of columns, compared with a limit for each row.

   A filter and not a result: products and sums are fused where the processor can, and added in any order, so
   the sums differ between SIMD levels in the last bits. Those that pass are computed again, with `dot`, by the
   caller, whose limits leave room for rounding (see products.pyx).

   panel: [n + 1 + checks][32]: factors, biases, and the length of the rest of each column at each check.
   rows: [n][CF_ROWS] and lengths: [checks][CF_ROWS], rows side by side.
   Checks come before factors 0, 16, 32, 64 ... of n, and at the end.

   As many sums at once as there are registers: with fewer, each product would wait for the sum before. */
#ifndef CFCORE_ITEM_PANELS_H
#define CFCORE_ITEM_PANELS_H

#include <stddef.h>
#include <stdint.h>

#define CF_COLUMNS 32
#define CF_FIRST_CHECK 16

#if defined(__GNUC__) && defined(__AVX512F__)
  #include <immintrin.h>
  #define CF_ROWS 8
  #define CF_TOGETHER 8
  #define CF_WIDE 16
  typedef __m512 cf_wide;
  typedef __mmask16 cf_mask;
  #define CF_WIDE_LOAD _mm512_loadu_ps
  #define CF_WIDE_STORE _mm512_storeu_ps
  #define CF_WIDE_FILL _mm512_set1_ps
  #define CF_WIDE_FMA _mm512_fmadd_ps
  #define CF_WIDE_ADD _mm512_add_ps
  #define CF_WIDE_ZERO _mm512_setzero_ps
  #define CF_WIDE_MIN _mm512_min_ps
  #define CF_WIDE_MAX _mm512_max_ps
  #define CF_WIDE_SUM _mm512_reduce_add_ps
  #define CF_WIDE_HALVES(x) _mm256_add_ps(_mm512_castps512_ps256((x)[0]), _mm512_extractf32x8_ps((x)[0], 1))
  #define CF_WIDE_AFTER(first, x) \
      _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(x), _mm512_castps_si512(first), 15))
  #define CF_WIDE_NOT_BELOW(x, y) _mm512_cmp_ps_mask((x), (y), _CMP_NLT_UQ)
  #define CF_MASK_NONE() ((cf_mask)0)
  #define CF_MASK_OR(x, y) ((cf_mask)((x) | (y)))
  #define CF_MASK_BITS(x) ((uint32_t)(x))
#elif defined(__GNUC__) && defined(__AVX2__) && defined(__FMA__)
  #include <immintrin.h>
  #define CF_ROWS 6
  #define CF_TOGETHER 6
  #define CF_WIDE 8
  typedef __m256 cf_wide;
  typedef __m256 cf_mask;
  #define CF_WIDE_LOAD _mm256_loadu_ps
  #define CF_WIDE_STORE _mm256_storeu_ps
  #define CF_WIDE_FILL _mm256_set1_ps
  #define CF_WIDE_FMA _mm256_fmadd_ps
  #define CF_WIDE_ADD _mm256_add_ps
  #define CF_WIDE_ZERO _mm256_setzero_ps
  #define CF_WIDE_MIN _mm256_min_ps
  #define CF_WIDE_MAX _mm256_max_ps
  #define CF_WIDE_SUM(x) cf_sum_four(_mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps((x), 1)))
  #define CF_WIDE_HALVES(x) _mm256_add_ps((x)[0], (x)[1])
  #define CF_WIDE_AFTER(first, x) _mm256_blend_ps( \
      _mm256_permutevar8x32_ps((x), _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6)), (first), 1)
  #define CF_WIDE_NOT_BELOW(x, y) _mm256_cmp_ps((x), (y), _CMP_NLT_UQ)
  #define CF_MASK_NONE _mm256_setzero_ps
  #define CF_MASK_OR _mm256_or_ps
  #define CF_MASK_BITS(x) ((uint32_t)_mm256_movemask_ps(x))
#elif defined(__GNUC__) && defined(__SSE2__)
  #include <emmintrin.h>
  #define CF_ROWS 8
  #define CF_TOGETHER 4
  #define CF_WIDE 4
  typedef __m128 cf_wide;
  typedef __m128 cf_mask;
  #define CF_WIDE_LOAD _mm_loadu_ps
  #define CF_WIDE_STORE _mm_storeu_ps
  #define CF_WIDE_FILL _mm_set1_ps
  #define CF_WIDE_FMA(x, y, z) _mm_add_ps(_mm_mul_ps((x), (y)), (z))
  #define CF_WIDE_ADD _mm_add_ps
  #define CF_WIDE_ZERO _mm_setzero_ps
  #define CF_WIDE_MIN _mm_min_ps
  #define CF_WIDE_MAX _mm_max_ps
  #define CF_WIDE_SUM cf_sum_four
  #define CF_WIDE_AFTER(first, x) _mm_move_ss(_mm_shuffle_ps((x), (x), _MM_SHUFFLE(2, 1, 0, 3)), (first))
  #define CF_WIDE_NOT_BELOW _mm_cmpnlt_ps
  #define CF_MASK_NONE _mm_setzero_ps
  #define CF_MASK_OR _mm_or_ps
  #define CF_MASK_BITS(x) ((uint32_t)_mm_movemask_ps(x))
#else
  #define CF_ROWS 8
#endif

/* The factor before which the next check comes. */
static inline Py_ssize_t cf_next_check(Py_ssize_t check) {
    return check ? 2 * check : CF_FIRST_CHECK;
}

#ifdef CF_WIDE
static inline float cf_sum_four(__m128 x) {
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}

/* sums[r][h] += rows[begin:end, first + r] . panel[begin:end, column and on], h half of the columns each. */
static inline __attribute__((always_inline)) void cf_tile_add(cf_wide sums[CF_TOGETHER][2],
                                                              const float *panel, const float *rows,
                                                              Py_ssize_t begin, Py_ssize_t end) {
    for (Py_ssize_t k = begin; k < end; k++) {
        cf_wide left = CF_WIDE_LOAD(panel + k * CF_COLUMNS);
        cf_wide right = CF_WIDE_LOAD(panel + k * CF_COLUMNS + CF_WIDE);
        for (int r = 0; r < CF_TOGETHER; r++) {
            cf_wide one = CF_WIDE_FILL(rows[k * CF_ROWS + r]);
            sums[r][0] = CF_WIDE_FMA(one, left, sums[r][0]);
            sums[r][1] = CF_WIDE_FMA(one, right, sums[r][1]);
        }
    }
}

/* True if any sum can still reach its limit, if both rows are parallel from here on (Cauchy and Schwarz). */
static inline __attribute__((always_inline)) int cf_tile_can_pass(cf_wide sums[CF_TOGETHER][2],
                                                                  const float *lengths, const float *rests,
                                                                  const float *limits) {
    cf_wide left = CF_WIDE_LOAD(lengths), right = CF_WIDE_LOAD(lengths + CF_WIDE);
    cf_mask any = CF_MASK_NONE(), other = CF_MASK_NONE();
    for (int r = 0; r < CF_TOGETHER; r++) {
        cf_wide rest = CF_WIDE_FILL(rests[r]), limit = CF_WIDE_FILL(limits[r]);
        any = CF_MASK_OR(any, CF_WIDE_NOT_BELOW(CF_WIDE_FMA(rest, left, sums[r][0]), limit));
        other = CF_MASK_OR(other, CF_WIDE_NOT_BELOW(CF_WIDE_FMA(rest, right, sums[r][1]), limit));
    }
    return CF_MASK_BITS(CF_MASK_OR(any, other)) != 0;
}
#endif

/* values[r][j] = rows[:, r] . panel[:n, j] + panel[n, j] where bit j of passed[r] is set. It is not set if that
   plus the bound of the rest, rests x lengths, is less than limits[r]. NaN passes. Returns bit r for any bit in
   passed[r]. */
static inline uint32_t cf_products_above(const float *panel, const float *rows, const float *rests, Py_ssize_t n,
                                         const float *limits, uint32_t *passed,
                                         float values[CF_ROWS][CF_COLUMNS]) {
    uint32_t any = 0;
    for (int r = 0; r < CF_ROWS; r++) passed[r] = 0;
#ifdef CF_WIDE
    for (int column = 0; column < CF_COLUMNS; column += 2 * CF_WIDE) {
        const float *lines = panel + column;
        for (int first = 0; first < CF_ROWS; first += CF_TOGETHER) {
            cf_wide sums[CF_TOGETHER][2];
            Py_ssize_t done = 0;
            const float *lengths = lines + (n + 1) * CF_COLUMNS, *rest = rests + first;
            for (int r = 0; r < CF_TOGETHER; r++) {
                sums[r][0] = CF_WIDE_LOAD(lines + n * CF_COLUMNS);
                sums[r][1] = CF_WIDE_LOAD(lines + n * CF_COLUMNS + CF_WIDE);
            }
            while (done < n && cf_tile_can_pass(sums, lengths, rest, limits + first)) {
                Py_ssize_t next = cf_next_check(done) < n ? cf_next_check(done) : n;
                cf_tile_add(sums, lines, rows + first, done, next);
                done = next;
                lengths += CF_COLUMNS;
                rest += CF_ROWS;
            }
            if (done < n) continue;
            cf_wide left = CF_WIDE_LOAD(lengths), right = CF_WIDE_LOAD(lengths + CF_WIDE);
            for (int r = 0; r < CF_TOGETHER; r++) {
                cf_wide limit = CF_WIDE_FILL(limits[first + r]), one = CF_WIDE_FILL(rest[r]);
                CF_WIDE_STORE(values[first + r] + column, sums[r][0]);
                CF_WIDE_STORE(values[first + r] + column + CF_WIDE, sums[r][1]);
                uint32_t bits = CF_MASK_BITS(CF_WIDE_NOT_BELOW(CF_WIDE_FMA(one, left, sums[r][0]), limit));
                bits |= CF_MASK_BITS(CF_WIDE_NOT_BELOW(CF_WIDE_FMA(one, right, sums[r][1]), limit)) << CF_WIDE;
                passed[first + r] |= bits << column;
                any |= (uint32_t)(bits != 0) << (first + r);
            }
        }
    }
#else
    const float *lengths = panel + n * CF_COLUMNS, *rest = rests - CF_ROWS;
    for (Py_ssize_t check = 0; ; check = cf_next_check(check)) {
        lengths += CF_COLUMNS;
        rest += CF_ROWS;
        if (check >= n) break;
    }
    for (int r = 0; r < CF_ROWS; r++) {
        float *sums = values[r];
        for (int j = 0; j < CF_COLUMNS; j++) sums[j] = panel[n * CF_COLUMNS + j];
        for (Py_ssize_t k = 0; k < n; k++)
            for (int j = 0; j < CF_COLUMNS; j++) sums[j] += rows[k * CF_ROWS + r] * panel[k * CF_COLUMNS + j];
        for (int j = 0; j < CF_COLUMNS; j++)
            passed[r] |= (uint32_t)!(sums[j] + rest[r] * lengths[j] < limits[r]) << j;
        any |= (uint32_t)(passed[r] != 0) << r;
    }
#endif
    return any;
}

/* x . y, of n numbers, whole groups of 16 */
static inline float cf_tail_product(const float *x, const float *y, Py_ssize_t n) {
#ifdef CF_WIDE
    cf_wide sums[16 / CF_WIDE];
    for (int part = 0; part < 16 / CF_WIDE; part++) sums[part] = CF_WIDE_ZERO();
    for (Py_ssize_t k = 0; k < n; k += 16)
        for (int part = 0; part < 16 / CF_WIDE; part++)
            sums[part] = CF_WIDE_FMA(CF_WIDE_LOAD(x + k + part * CF_WIDE), CF_WIDE_LOAD(y + k + part * CF_WIDE),
                                     sums[part]);
    for (int part = 1; part < 16 / CF_WIDE; part++) sums[0] = CF_WIDE_ADD(sums[0], sums[part]);
    return CF_WIDE_SUM(sums[0]);
#else
    float lanes[16] = {0}, sum = 0;
    for (Py_ssize_t k = 0; k < n; k++) lanes[k % 16] += x[k] * y[k];
    for (int j = 0; j < 16; j++) sum += lanes[j];
    return sum;
#endif
}

/* sums[j] += x . row which[j] of rows, for four j: one by one, adding up lanes would be most of the time. */
static inline void cf_add_four_tails(const float *x, const float *rows, const int32_t *which, Py_ssize_t n, float *sums) {
#ifdef CF_WIDE_HALVES
    cf_wide parts[4][16 / CF_WIDE];
    __m256 halves[4];
    for (int j = 0; j < 4; j++)
        for (int part = 0; part < 16 / CF_WIDE; part++) parts[j][part] = CF_WIDE_ZERO();
    for (Py_ssize_t k = 0; k < n; k += 16)
        for (int part = 0; part < 16 / CF_WIDE; part++) {
            cf_wide one = CF_WIDE_LOAD(x + k + part * CF_WIDE);
            for (int j = 0; j < 4; j++)
                parts[j][part] = CF_WIDE_FMA(one, CF_WIDE_LOAD(rows + which[j] * n + k + part * CF_WIDE), parts[j][part]);
        }
    for (int j = 0; j < 4; j++) halves[j] = CF_WIDE_HALVES(parts[j]);
    __m256 all = _mm256_hadd_ps(_mm256_hadd_ps(halves[0], halves[1]), _mm256_hadd_ps(halves[2], halves[3]));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
    _mm_storeu_ps(sums, _mm_add_ps(_mm_loadu_ps(sums), four));
#else
    for (int j = 0; j < 4; j++) sums[j] += cf_tail_product(x, rows + which[j] * n, n);
#endif
}

/* out[r][j] = rows[:, r] . panel[:n, j] */
static inline void cf_products(const float *panel, const float *rows, Py_ssize_t n,
                               float out[CF_ROWS][CF_COLUMNS]) {
#ifdef CF_WIDE
    for (int column = 0; column < CF_COLUMNS; column += 2 * CF_WIDE) {
        for (int first = 0; first < CF_ROWS; first += CF_TOGETHER) {
            cf_wide sums[CF_TOGETHER][2];
            for (int r = 0; r < CF_TOGETHER; r++) sums[r][0] = sums[r][1] = CF_WIDE_ZERO();
            cf_tile_add(sums, panel + column, rows + first, 0, n);
            for (int r = 0; r < CF_TOGETHER; r++) {
                CF_WIDE_STORE(out[first + r] + column, sums[r][0]);
                CF_WIDE_STORE(out[first + r] + column + CF_WIDE, sums[r][1]);
            }
        }
    }
#else
    for (int r = 0; r < CF_ROWS; r++) {
        for (int j = 0; j < CF_COLUMNS; j++) out[r][j] = 0;
        for (Py_ssize_t k = 0; k < n; k++)
            for (int j = 0; j < CF_COLUMNS; j++)
                out[r][j] += rows[k * CF_ROWS + r] * panel[k * CF_COLUMNS + j];
    }
#endif
}

/* Insert x into the n best, falling numbers, and drop the last of them; no change if x is not above the last, or
   is NaN: minimum and maximum instructions return the second operand if one is NaN. best[-1] is infinite; n is
   a multiple of 16. */
static inline void cf_insert(float *best, Py_ssize_t n, float x) {
#ifdef CF_WIDE
    cf_wide one = CF_WIDE_FILL(x);
    for (Py_ssize_t last = n - 16; last >= 0; last -= 16) {
        for (Py_ssize_t k = last + 16 - CF_WIDE; k >= last; k -= CF_WIDE) {
            cf_wide own = CF_WIDE_LOAD(best + k), before = CF_WIDE_AFTER(CF_WIDE_FILL(best[k - 1]), own);
            CF_WIDE_STORE(best + k, CF_WIDE_MAX(CF_WIDE_MIN(before, one), own));
        }
        if (!(best[last - 1] < x)) break;
    }
#else
    for (Py_ssize_t k = n - 1; k >= 0 && best[k] < x; k--) best[k] = best[k - 1] < x ? best[k - 1] : x;
#endif
}

static inline int cf_lowest_bit(uint32_t bits) {
#if defined(__GNUC__)
    return __builtin_ctz(bits);
#else
    int bit = 0;
    while (!(bits >> bit & 1)) bit++;
    return bit;
#endif
}

#ifdef CF_WIDE
#define CF_PARTS (CF_COLUMNS / CF_WIDE)
#endif

/* out[j] = row . panel[:n, j] */
static inline void cf_row_products(const float *panel, const float *row, Py_ssize_t n, float *out) {
#ifdef CF_WIDE
    cf_wide sums[CF_PARTS];
    for (int part = 0; part < CF_PARTS; part++) sums[part] = CF_WIDE_ZERO();
    for (Py_ssize_t k = 0; k < n; k++) {
        cf_wide one = CF_WIDE_FILL(row[k]);
        for (int part = 0; part < CF_PARTS; part++)
            sums[part] = CF_WIDE_FMA(one, CF_WIDE_LOAD(panel + k * CF_COLUMNS + part * CF_WIDE), sums[part]);
    }
    for (int part = 0; part < CF_PARTS; part++) CF_WIDE_STORE(out + part * CF_WIDE, sums[part]);
#else
    for (int j = 0; j < CF_COLUMNS; j++) out[j] = 0;
    for (Py_ssize_t k = 0; k < n; k++)
        for (int j = 0; j < CF_COLUMNS; j++) out[j] += row[k] * panel[k * CF_COLUMNS + j];
#endif
}

/* As cf_products_above for one row, with its `rests` one after the other: bit j is set unless
   row . panel[:n, j] + panel[n, j] plus the bound of the rest is less than the limit. NaN passes. */
static inline uint32_t cf_row_above(const float *panel, const float *row, const float *rests, Py_ssize_t n,
                                    float limit) {
    const float *lengths = panel + (n + 1) * CF_COLUMNS;
    Py_ssize_t done = 0;
    uint32_t bits;
#ifdef CF_WIDE
    cf_wide sums[CF_PARTS], least = CF_WIDE_FILL(limit);
    for (int part = 0; part < CF_PARTS; part++) sums[part] = CF_WIDE_LOAD(panel + n * CF_COLUMNS + part * CF_WIDE);
    for (;;) {
        cf_wide rest = CF_WIDE_FILL(*rests);
        bits = 0;
        for (int part = 0; part < CF_PARTS; part++) {
            cf_wide length = CF_WIDE_LOAD(lengths + part * CF_WIDE);
            bits |= CF_MASK_BITS(CF_WIDE_NOT_BELOW(CF_WIDE_FMA(rest, length, sums[part]), least)) << (part * CF_WIDE);
        }
        if (!bits || done >= n) return bits;
        Py_ssize_t next = cf_next_check(done) < n ? cf_next_check(done) : n;
        for (; done < next; done++) {
            cf_wide one = CF_WIDE_FILL(row[done]);
            for (int part = 0; part < CF_PARTS; part++)
                sums[part] = CF_WIDE_FMA(one, CF_WIDE_LOAD(panel + done * CF_COLUMNS + part * CF_WIDE), sums[part]);
        }
        lengths += CF_COLUMNS;
        rests++;
    }
#else
    float sums[CF_COLUMNS];
    for (int j = 0; j < CF_COLUMNS; j++) sums[j] = panel[n * CF_COLUMNS + j];
    for (;;) {
        bits = 0;
        for (int j = 0; j < CF_COLUMNS; j++) bits |= (uint32_t)!(sums[j] + *rests * lengths[j] < limit) << j;
        if (!bits || done >= n) return bits;
        Py_ssize_t next = cf_next_check(done) < n ? cf_next_check(done) : n;
        for (; done < next; done++)
            for (int j = 0; j < CF_COLUMNS; j++) sums[j] += row[done] * panel[done * CF_COLUMNS + j];
        lengths += CF_COLUMNS;
        rests++;
    }
#endif
}
#endif

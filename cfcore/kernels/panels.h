/* Products of a few rows with a panel of columns, compared with a limit for each row.

   A filter and not a result: sums are fused where the machine can and rounded as it comes, so they differ
   between levels in the last bits. What passes is computed again, with `dot`, by the caller, who also makes
   the limits low enough for rounding (see topk.pyx).

   panel: [n + 1][32], the last line is added to the sums.  rows: [n][CF_ROWS], rows side by side.

   As many sums at once as there are registers for: with fewer, each would wait for its own last product. */
#ifndef CFCORE_PANELS_H
#define CFCORE_PANELS_H

#include <stddef.h>
#include <stdint.h>

#define CF_COLUMNS 32

#if defined(__GNUC__) && defined(__AVX512F__)
  #include <immintrin.h>
  #define CF_ROWS 8
  #define CF_TOGETHER 8
  #define CF_WIDE 16
  typedef __m512 cf_wide;
  #define CF_WIDE_LOAD _mm512_loadu_ps
  #define CF_WIDE_FILL _mm512_set1_ps
  #define CF_WIDE_FMA _mm512_fmadd_ps
  #define CF_WIDE_ADD _mm512_add_ps
  #define CF_WIDE_ZERO _mm512_setzero_ps
  #define CF_WIDE_NOT_BELOW(x, y) ((uint32_t)_mm512_cmp_ps_mask((x), (y), _CMP_NLT_UQ))
#elif defined(__GNUC__) && defined(__AVX2__) && defined(__FMA__)
  #include <immintrin.h>
  #define CF_ROWS 6
  #define CF_TOGETHER 6
  #define CF_WIDE 8
  typedef __m256 cf_wide;
  #define CF_WIDE_LOAD _mm256_loadu_ps
  #define CF_WIDE_FILL _mm256_set1_ps
  #define CF_WIDE_FMA _mm256_fmadd_ps
  #define CF_WIDE_ADD _mm256_add_ps
  #define CF_WIDE_ZERO _mm256_setzero_ps
  #define CF_WIDE_NOT_BELOW(x, y) ((uint32_t)_mm256_movemask_ps(_mm256_cmp_ps((x), (y), _CMP_NLT_UQ)))
#elif defined(__GNUC__) && defined(__SSE2__)
  #include <emmintrin.h>
  #define CF_ROWS 8
  #define CF_TOGETHER 4
  #define CF_WIDE 4
  typedef __m128 cf_wide;
  #define CF_WIDE_LOAD _mm_loadu_ps
  #define CF_WIDE_FILL _mm_set1_ps
  #define CF_WIDE_FMA(x, y, z) _mm_add_ps(_mm_mul_ps((x), (y)), (z))
  #define CF_WIDE_ADD _mm_add_ps
  #define CF_WIDE_ZERO _mm_setzero_ps
  #define CF_WIDE_NOT_BELOW(x, y) ((uint32_t)_mm_movemask_ps(_mm_cmpnlt_ps((x), (y))))
#else
  #define CF_ROWS 8
#endif

/* Bit j of passed[r] is set unless rows[:, r] . panel[:n, j] + panel[n, j] < limits[r]; NaN passes. */
static inline void cf_products_above(const float *panel, const float *rows, Py_ssize_t n,
                                     const float *limits, uint32_t *passed) {
#ifdef CF_WIDE
    for (int r = 0; r < CF_ROWS; r++) passed[r] = 0;
    for (int column = 0; column < CF_COLUMNS; column += 2 * CF_WIDE) {
        for (int first = 0; first < CF_ROWS; first += CF_TOGETHER) {
            cf_wide sums[CF_TOGETHER][2];
            for (int r = 0; r < CF_TOGETHER; r++) sums[r][0] = sums[r][1] = CF_WIDE_ZERO();
            for (Py_ssize_t k = 0; k < n; k++) {
                cf_wide left = CF_WIDE_LOAD(panel + k * CF_COLUMNS + column);
                cf_wide right = CF_WIDE_LOAD(panel + k * CF_COLUMNS + column + CF_WIDE);
                for (int r = 0; r < CF_TOGETHER; r++) {
                    cf_wide one = CF_WIDE_FILL(rows[k * CF_ROWS + first + r]);
                    sums[r][0] = CF_WIDE_FMA(one, left, sums[r][0]);
                    sums[r][1] = CF_WIDE_FMA(one, right, sums[r][1]);
                }
            }
            cf_wide left = CF_WIDE_LOAD(panel + n * CF_COLUMNS + column);
            cf_wide right = CF_WIDE_LOAD(panel + n * CF_COLUMNS + column + CF_WIDE);
            for (int r = 0; r < CF_TOGETHER; r++) {
                cf_wide limit = CF_WIDE_FILL(limits[first + r]);
                passed[first + r] |= CF_WIDE_NOT_BELOW(CF_WIDE_ADD(sums[r][0], left), limit) << column;
                passed[first + r] |= CF_WIDE_NOT_BELOW(CF_WIDE_ADD(sums[r][1], right), limit)
                    << (column + CF_WIDE);
            }
        }
    }
#else
    for (int r = 0; r < CF_ROWS; r++) {
        float sums[CF_COLUMNS] = {0};
        for (Py_ssize_t k = 0; k < n; k++)
            for (int j = 0; j < CF_COLUMNS; j++) sums[j] += rows[k * CF_ROWS + r] * panel[k * CF_COLUMNS + j];
        uint32_t bits = 0;
        for (int j = 0; j < CF_COLUMNS; j++)
            bits |= (uint32_t)!(sums[j] + panel[n * CF_COLUMNS + j] < limits[r]) << j;
        passed[r] = bits;
    }
#endif
}

static inline int cf_lowest_bit(uint32_t bits) {
#if defined(__GNUC__)
    return __builtin_ctz(bits);
#else
    int place = 0;
    while (!(bits >> place & 1)) place++;
    return place;
#endif
}
#endif

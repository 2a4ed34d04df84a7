/* Sums of weights rounded to 8 bits, each column over a unit of its own, for two panels of 64 columns.

   A filter and not a result, as the sums of `rounded_rows.h`, for half of the bytes. Products of two rows are
   added up in 16 bits, as many as cannot overflow, and then in 32: integers, the same at every vector width. */
#ifndef CFCORE_COARSE_ROWS_H
#define CFCORE_COARSE_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/lanes.h"

#define CF_PAIR_COLUMNS 128
/* Columns that share a bound, and bounds of a panel and of a pair. */
#define CF_GROUP_COLUMNS 16
#define CF_PANEL_GROUPS (64 / CF_GROUP_COLUMNS)
#define CF_PAIR_GROUPS (2 * CF_PANEL_GROUPS)

/* Columns of a vector of bytes, and how many vectors of a row are read at once. Products of the columns in lower
   and upper halves of blocks of 16 are in two vectors. */
#if defined(__GNUC__) && defined(__AVX512BW__) && defined(__AVX512DQ__)
  #include <immintrin.h>
  #define CF_WIDE 64
  #define CF_COARSE_READ 2
  typedef __m512i cf_bytes;
  #define CF_BYTES_LOAD(from) _mm512_loadu_si512((const void *)(from))
  #define CF_BYTES_ZERO _mm512_setzero_si512
  #define CF_BYTES_FILL _mm512_set1_epi16
  #define CF_BYTES_LOW _mm512_unpacklo_epi8
  #define CF_BYTES_HIGH _mm512_unpackhi_epi8
  #define CF_BYTES_ADD_PRODUCTS(sum, x, y) _mm512_add_epi16((sum), _mm512_maddubs_epi16((x), (y)))
  static inline void cf_widen(cf_bytes low, cf_bytes high, int32_t *sums, int more) {
      const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
      const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
      const __m512i halves[2] = {_mm512_permutex2var_epi64(low, first, high),
                                 _mm512_permutex2var_epi64(low, second, high)};
      for (int h = 0; h < 2; h++) {
          __m512i x = _mm512_cvtepi16_epi32(_mm512_castsi512_si256(halves[h]));
          __m512i y = _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(halves[h], 1));
          if (more) {
              x = _mm512_add_epi32(x, CF_BYTES_LOAD(sums + 32 * h));
              y = _mm512_add_epi32(y, CF_BYTES_LOAD(sums + 32 * h + 16));
          }
          _mm512_storeu_si512((void *)(sums + 32 * h), x);
          _mm512_storeu_si512((void *)(sums + 32 * h + 16), y);
      }
  }
#elif defined(__GNUC__) && defined(__AVX2__)
  #include <immintrin.h>
  #define CF_WIDE 32
  #define CF_COARSE_READ 4
  typedef __m256i cf_bytes;
  #define CF_BYTES_LOAD(from) _mm256_loadu_si256((const __m256i *)(from))
  #define CF_BYTES_ZERO _mm256_setzero_si256
  #define CF_BYTES_FILL _mm256_set1_epi16
  #define CF_BYTES_LOW _mm256_unpacklo_epi8
  #define CF_BYTES_HIGH _mm256_unpackhi_epi8
  #define CF_BYTES_ADD_PRODUCTS(sum, x, y) _mm256_add_epi16((sum), _mm256_maddubs_epi16((x), (y)))
  static inline void cf_widen(cf_bytes low, cf_bytes high, int32_t *sums, int more) {
      __m128i parts[4] = {_mm256_castsi256_si128(low), _mm256_castsi256_si128(high),
                          _mm256_extracti128_si256(low, 1), _mm256_extracti128_si256(high, 1)};
      for (int k = 0; k < 4; k++) {
          __m256i x = _mm256_cvtepi16_epi32(parts[k]);
          if (more) x = _mm256_add_epi32(x, CF_BYTES_LOAD(sums + 8 * k));
          _mm256_storeu_si256((__m256i *)(sums + 8 * k), x);
      }
  }
#elif defined(__GNUC__) && defined(__SSE2__)
  #include <emmintrin.h>
  #define CF_WIDE 16
  #define CF_COARSE_READ 4
  typedef __m128i cf_bytes;
  #define CF_BYTES_LOAD(from) _mm_loadu_si128((const __m128i *)(from))
  #define CF_BYTES_ZERO _mm_setzero_si128
  #define CF_BYTES_FILL _mm_set1_epi16
  #define CF_BYTES_LOW _mm_unpacklo_epi8
  #define CF_BYTES_HIGH _mm_unpackhi_epi8
  /* x has two factors a column, and no instruction multiplies bytes. */
  #define CF_BYTES_ADD_PRODUCTS(sum, x, y) \
      _mm_add_epi16((sum), _mm_add_epi16( \
          _mm_mullo_epi16(_mm_and_si128((x), _mm_set1_epi16(255)), _mm_srai_epi16(_mm_slli_epi16((y), 8), 8)), \
          _mm_mullo_epi16(_mm_srli_epi16((x), 8), _mm_srai_epi16((y), 8))))
  static inline void cf_widen(cf_bytes low, cf_bytes high, int32_t *sums, int more) {
      __m128i parts[4] = {_mm_unpacklo_epi16(low, low), _mm_unpackhi_epi16(low, low),
                          _mm_unpacklo_epi16(high, high), _mm_unpackhi_epi16(high, high)};
      for (int k = 0; k < 4; k++) {
          __m128i x = _mm_srai_epi32(parts[k], 16);
          if (more) x = _mm_add_epi32(x, CF_BYTES_LOAD(sums + 4 * k));
          _mm_storeu_si128((__m128i *)(sums + 4 * k), x);
      }
  }
#endif

/* out[column]: the sum of x[e] rows[items[e]][column], added to what is there if `more`. `width`, a constant 64
   or 128, is the number of columns. Of `run` ratings, an even number, the sum is below 2**15 whatever the
   weights are, and that of all is below 2**31. */
CF_INLINE void cf_coarse_sums(const int8_t *rows, const int width, const int32_t *items, const uint8_t *x,
                              ptrdiff_t n, ptrdiff_t run, int more, int32_t *out) {
#ifdef CF_WIDE
    const int read = width < CF_COARSE_READ * CF_WIDE ? width / CF_WIDE : CF_COARSE_READ;
    const int before = more;
    for (int left = 0; left < width; left += read * CF_WIDE) {
        const int8_t *columns = rows + left;
        ptrdiff_t e = 0;
        more = before;
        do {
            const ptrdiff_t end = n - e > run ? e + run : n;
            cf_bytes sums[CF_COARSE_READ][2];
            for (int h = 0; h < read; h++) sums[h][0] = sums[h][1] = CF_BYTES_ZERO();
            #pragma GCC unroll 2
            for (; e < end - 1; e += 2) {
                const int8_t *first = columns + (ptrdiff_t)items[e] * width;
                const int8_t *second = columns + (ptrdiff_t)items[e + 1] * width;
                int16_t two;
                cf_bytes factors;
                memcpy(&two, x + e, sizeof(two));
                factors = CF_BYTES_FILL(two);
                for (int h = 0; h < read; h++) {
                    cf_bytes a = CF_BYTES_LOAD(first + h * CF_WIDE), b = CF_BYTES_LOAD(second + h * CF_WIDE);
                    sums[h][0] = CF_BYTES_ADD_PRODUCTS(sums[h][0], factors, CF_BYTES_LOW(a, b));
                    sums[h][1] = CF_BYTES_ADD_PRODUCTS(sums[h][1], factors, CF_BYTES_HIGH(a, b));
                }
            }
            if (e < end) {
                const int8_t *last = columns + (ptrdiff_t)items[e] * width;
                const cf_bytes factors = CF_BYTES_FILL((int16_t)x[e]);
                for (int h = 0; h < read; h++) {
                    cf_bytes a = CF_BYTES_LOAD(last + h * CF_WIDE);
                    sums[h][0] = CF_BYTES_ADD_PRODUCTS(sums[h][0], factors, CF_BYTES_LOW(a, a));
                    sums[h][1] = CF_BYTES_ADD_PRODUCTS(sums[h][1], factors, CF_BYTES_HIGH(a, a));
                }
                e++;
            }
            for (int h = 0; h < read; h++)
                cf_widen(sums[h][0], sums[h][1], out + left + h * CF_WIDE, more);
            more = 1;
        } while (e < n);
    }
#else
    (void)run;
    if (!more) memset(out, 0, width * sizeof(int32_t));
    for (ptrdiff_t e = 0; e < n; e++) {
        const int8_t *row = rows + (ptrdiff_t)items[e] * width;
        for (int j = 0; j < width; j++) out[j] += (int32_t)x[e] * row[j];
    }
#endif
}

static inline void cf_pair_sums(const int8_t *pair, const int32_t *items, const uint8_t *x, ptrdiff_t n,
                                ptrdiff_t run, int more, int32_t *out) {
    cf_coarse_sums(pair, CF_PAIR_COLUMNS, items, x, n, run, more, out);
}

static inline void cf_group_sums(const int8_t *groups, const int32_t *items, const uint8_t *x, ptrdiff_t n,
                                 ptrdiff_t run, int32_t *out) {
    cf_coarse_sums(groups, 64, items, x, n, run, 0, out);
}

/* Columns of a panel, one a bit, whose (sum + margin) scale is not below the limit of their group. */
static inline uint64_t cf_coarse_not_below(const int32_t *sums, int32_t margin, const float *scales,
                                           const float *limits) {
    uint64_t passed = 0;
#if defined(CF_WIDE) && CF_WIDE == 64
    for (int j = 0; j < 64; j += 16) {
        __m512i most = _mm512_add_epi32(CF_BYTES_LOAD(sums + j), _mm512_set1_epi32(margin));
        __m512 x = _mm512_mul_ps(_mm512_cvtepi32_ps(most), _mm512_loadu_ps(scales + j));
        passed |= (uint64_t)_mm512_cmp_ps_mask(x, _mm512_set1_ps(limits[j / 16]), _CMP_GE_OQ) << j;
    }
#elif defined(CF_WIDE) && CF_WIDE == 32
    for (int j = 0; j < 64; j += 8) {
        __m256i most = _mm256_add_epi32(CF_BYTES_LOAD(sums + j), _mm256_set1_epi32(margin));
        __m256 x = _mm256_mul_ps(_mm256_cvtepi32_ps(most), _mm256_loadu_ps(scales + j));
        int bits = _mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_set1_ps(limits[j / 16]), _CMP_GE_OQ));
        passed |= (uint64_t)(uint32_t)bits << j;
    }
#elif defined(CF_WIDE)
    for (int j = 0; j < 64; j += 4) {
        __m128i most = _mm_add_epi32(CF_BYTES_LOAD(sums + j), _mm_set1_epi32(margin));
        __m128 x = _mm_mul_ps(_mm_cvtepi32_ps(most), _mm_loadu_ps(scales + j));
        passed |= (uint64_t)(uint32_t)_mm_movemask_ps(_mm_cmpge_ps(x, _mm_set1_ps(limits[j / 16]))) << j;
    }
#else
    for (int j = 0; j < 64; j++) {
        const float x = (float)(sums[j] + margin) * scales[j];
        passed |= (uint64_t)(x >= limits[j / 16]) << j;
    }
#endif
    return passed;
}

#endif

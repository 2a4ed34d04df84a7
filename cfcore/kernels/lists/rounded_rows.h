/* Sums of rounded weights, integers of 16 bits, for a panel of 64 columns, compared with a limit.

   A filter and not a result: the caller sums the weights as they are of the columns that pass. Integers add up
   to the same sums in any order, so that the same columns pass at every vector width. */
#ifndef CFCORE_ROUNDED_ROWS_H
#define CFCORE_ROUNDED_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/lanes.h"

#define CF_COLUMNS 64

#if defined(__GNUC__) && !defined(__clang__)
  #define CF_NO_VECTORS __attribute__((noinline, optimize("no-tree-vectorize")))
#else
  #define CF_NO_VECTORS
#endif

/* CF_HELD vectors of 16-bit integers are read at once; their sums, of twice the width, are held in registers. */
#if defined(__GNUC__) && defined(__AVX512BW__) && defined(__AVX512DQ__)
  #include <immintrin.h>
  #define CF_SHORTS 32
  #define CF_HELD 2
  typedef __m512i cf_ints;
  #define CF_INTS_LOAD(from) _mm512_loadu_si512((const void *)(from))
  #define CF_INTS_STORE(to, x) _mm512_storeu_si512((void *)(to), (x))
  #define CF_INTS_ZERO _mm512_setzero_si512
  #define CF_INTS_FILL _mm512_set1_epi32
  #define CF_INTS_LOW _mm512_unpacklo_epi16
  #define CF_INTS_HIGH _mm512_unpackhi_epi16
  #define CF_INTS_ADD_PRODUCTS(sum, x, y) _mm512_add_epi32((sum), _mm512_madd_epi16((x), (y)))
  #define CF_INTS_BELOW(x, limit) _mm512_movm_epi32(_mm512_cmplt_epi32_mask((x), (limit)))
  #define CF_INTS_BITS(low, high) ((uint64_t)_mm512_movepi16_mask(_mm512_packs_epi32((low), (high))))
#elif defined(__GNUC__) && defined(__AVX2__)
  #include <immintrin.h>
  #define CF_SHORTS 16
  #define CF_HELD 4
  typedef __m256i cf_ints;
  #define CF_INTS_LOAD(from) _mm256_loadu_si256((const __m256i *)(from))
  #define CF_INTS_STORE(to, x) _mm256_storeu_si256((__m256i *)(to), (x))
  #define CF_INTS_ZERO _mm256_setzero_si256
  #define CF_INTS_FILL _mm256_set1_epi32
  #define CF_INTS_LOW _mm256_unpacklo_epi16
  #define CF_INTS_HIGH _mm256_unpackhi_epi16
  #define CF_INTS_ADD_PRODUCTS(sum, x, y) _mm256_add_epi32((sum), _mm256_madd_epi16((x), (y)))
  #define CF_INTS_BELOW(x, limit) _mm256_cmpgt_epi32((limit), (x))
  /* One byte for each column: those of the upper half are in the upper half. */
  static inline uint64_t cf_bits_of(__m256i columns) {
      __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(columns), _mm256_extracti128_si256(columns, 1));
      return (uint64_t)(uint32_t)_mm_movemask_epi8(bytes);
  }
  #define CF_INTS_BITS(low, high) cf_bits_of(_mm256_packs_epi32((low), (high)))
#elif defined(__GNUC__) && defined(__SSE2__)
  #include <emmintrin.h>
  #define CF_SHORTS 8
  #define CF_HELD 4
  typedef __m128i cf_ints;
  #define CF_INTS_LOAD(from) _mm_loadu_si128((const __m128i *)(from))
  #define CF_INTS_STORE(to, x) _mm_storeu_si128((__m128i *)(to), (x))
  #define CF_INTS_ZERO _mm_setzero_si128
  #define CF_INTS_FILL _mm_set1_epi32
  #define CF_INTS_LOW _mm_unpacklo_epi16
  #define CF_INTS_HIGH _mm_unpackhi_epi16
  #define CF_INTS_ADD_PRODUCTS(sum, x, y) _mm_add_epi32((sum), _mm_madd_epi16((x), (y)))
  #define CF_INTS_BELOW(x, limit) _mm_cmplt_epi32((x), (limit))
  #define CF_INTS_BITS(low, high) \
      ((uint64_t)(uint32_t)_mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32((low), (high)), _mm_setzero_si128())))
#endif

#ifdef CF_SHORTS

/* Sums of x[e] panel[items[e]][column], in the order of `cf_place`. No product may be 2**30 or more, and no sum
   2**31. */
static inline void cf_rounded_sums(const int16_t *panel, const int32_t *items, const int16_t *x, ptrdiff_t n,
                                   int32_t *out) {
    for (int left = 0; left < CF_COLUMNS; left += CF_HELD * CF_SHORTS) {
        cf_ints sums[CF_HELD][2];
        const int16_t *columns = panel + left;
        ptrdiff_t e = 0;
        for (int h = 0; h < CF_HELD; h++) sums[h][0] = sums[h][1] = CF_INTS_ZERO();
        #pragma GCC unroll 2
        for (; e < n - 1; e += 2) {
            const int16_t *first = columns + (ptrdiff_t)items[e] * CF_COLUMNS;
            const int16_t *second = columns + (ptrdiff_t)items[e + 1] * CF_COLUMNS;
            int32_t pair;
            cf_ints factors;
            memcpy(&pair, x + e, sizeof(pair));
            factors = CF_INTS_FILL(pair);
            for (int h = 0; h < CF_HELD; h++) {
                cf_ints a = CF_INTS_LOAD(first + h * CF_SHORTS), b = CF_INTS_LOAD(second + h * CF_SHORTS);
                sums[h][0] = CF_INTS_ADD_PRODUCTS(sums[h][0], CF_INTS_LOW(a, b), factors);
                sums[h][1] = CF_INTS_ADD_PRODUCTS(sums[h][1], CF_INTS_HIGH(a, b), factors);
            }
        }
        if (e < n) {
            const int16_t *last = columns + (ptrdiff_t)items[e] * CF_COLUMNS;
            cf_ints factors = CF_INTS_FILL((int32_t)(uint16_t)x[e]);
            for (int h = 0; h < CF_HELD; h++) {
                cf_ints a = CF_INTS_LOAD(last + h * CF_SHORTS);
                sums[h][0] = CF_INTS_ADD_PRODUCTS(sums[h][0], CF_INTS_LOW(a, a), factors);
                sums[h][1] = CF_INTS_ADD_PRODUCTS(sums[h][1], CF_INTS_HIGH(a, a), factors);
            }
        }
        for (int h = 0; h < CF_HELD; h++) {
            CF_INTS_STORE(out + left + h * CF_SHORTS, sums[h][0]);
            CF_INTS_STORE(out + left + h * CF_SHORTS + CF_SHORTS / 2, sums[h][1]);
        }
    }
}

/* Columns, one a bit, whose sum is not below `limit`. */
static inline uint64_t cf_not_below(const int32_t *sums, int32_t limit) {
    const cf_ints limits = CF_INTS_FILL(limit);
    uint64_t below = 0;
    for (int left = 0; left < CF_COLUMNS; left += CF_SHORTS) {
        cf_ints low = CF_INTS_LOAD(sums + left), high = CF_INTS_LOAD(sums + left + CF_SHORTS / 2);
        below |= CF_INTS_BITS(CF_INTS_BELOW(low, limits), CF_INTS_BELOW(high, limits)) << left;
    }
    return ~below;
}

/* Where the sum of a column is: of 8 columns, vectors of low halves have 4, and those of high halves the others. */
static inline int cf_place(int column) {
    int within = column % CF_SHORTS;
    return column - within + (within % 8 / 4) * (CF_SHORTS / 2) + within / 8 * 4 + within % 4;
}

#else

static inline void cf_rounded_sums(const int16_t *panel, const int32_t *items, const int16_t *x, ptrdiff_t n,
                                   int32_t *out) {
    int32_t sums[CF_COLUMNS] = {0};
    for (ptrdiff_t e = 0; e < n; e++) {
        const int16_t *row = panel + (ptrdiff_t)items[e] * CF_COLUMNS;
        for (int j = 0; j < CF_COLUMNS; j++) sums[j] += (int32_t)x[e] * row[j];
    }
    memcpy(out, sums, sizeof(sums));
}

static inline uint64_t cf_not_below(const int32_t *sums, int32_t limit) {
    uint64_t passed = 0;
    for (int j = 0; j < CF_COLUMNS; j++) passed |= (uint64_t)(sums[j] >= limit) << j;
    return passed;
}

static inline int cf_place(int column) { return column; }

#endif

/* Read memory in order, which is several times as fast as by rows here and there: these then hit the cache. */
static inline void cf_read_ahead(const void *begin, ptrdiff_t bytes) {
#if defined(__GNUC__)
    const char *at = (const char *)begin;
    int sum = 0;
    for (ptrdiff_t k = 0; k < bytes; k += 64) sum += at[k];
    __asm__ volatile("" : : "r"(sum));
#else
    cf_prefetch_read(begin, bytes);
#endif
}

/* Number of the lowest bit that is set; one must be. */
static inline int cf_lowest(uint64_t bits) {
#if defined(__GNUC__)
    return __builtin_ctzll(bits);
#else
    int k = 0;
    while (!(bits & 1)) {
        bits >>= 1;
        k++;
    }
    return k;
#endif
}

/* A number that at least n of the sums of the columns in `open`, and few more, are not below; INT32_MIN if there
   are fewer. Bisected, as a heap of the n largest would have to guess a branch for each. */
static inline int32_t cf_reached(const int32_t *sums, uint64_t open, int64_t n) {
    int32_t values[CF_COLUMNS], largest = INT32_MIN;
    int64_t low = INT32_MIN, high;
    memcpy(values, sums, sizeof(values));
    for (uint64_t bits = ~open; bits; bits &= bits - 1) values[cf_place(cf_lowest(bits))] = INT32_MIN;
    for (int j = 0; j < CF_COLUMNS; j++) largest = values[j] > largest ? values[j] : largest;
    high = (int64_t)largest + 1;
    while (high - low > 1) {
        const int32_t middle = (int32_t)(low + (high - low) / 2);
        int32_t count = 0;
        for (int j = 0; j < CF_COLUMNS; j++) count += values[j] >= middle;
        if (count < n) high = middle;
        else low = middle;
        if (count >= n && count < n + 2) break;
    }
    return (int32_t)low;
}

/* Keep the n best values, sorted, of these and another: without branches, whose outcome is hard to guess. GCC
   would make vectors, which have to wait for those of the value before. */
static CF_NO_VECTORS void cf_insert(double *best, ptrdiff_t n, double value) {
    double here = best[n - 1];
    for (ptrdiff_t k = n - 1; k > 0; k--) {
        double before = best[k - 1], least = before < value ? before : value;
        best[k] = here > least ? here : least;
        here = before;
    }
    best[0] = here > value ? here : value;
}

/* The integer next to x, ties to the even one, for |x| up to 2**22; as `rint`, but vectorized everywhere. */
static inline float cf_next_integer(float x) { return (x + 12582912.0f) - 12582912.0f; }

#endif

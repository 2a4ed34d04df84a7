/* The inner steps of the similarity kernel. Eight 16-bit sums are one 128-bit vector on every x86-64 and arm64, so
   that step is the same instruction on all SIMD levels. Four sums in double are one vector from AVX on. */
#ifndef CFCORE_PAIRSUMS_H
#define CFCORE_PAIRSUMS_H

#include <stdint.h>

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#ifdef __AVX__
#include <immintrin.h>
#endif
#define CF_SSE2 1
static inline void cf_add_eight(int16_t *sums, const int16_t *terms) {
    /* Aligned: without VEX only such a load folds into the addition. */
    __m128i b = _mm_loadu_si128((const __m128i *)terms);
    _mm_store_si128((__m128i *)sums, _mm_add_epi16(b, *(const __m128i *)sums));
}
#elif defined(__ARM_NEON)
#include <arm_neon.h>
static inline void cf_add_eight(int16_t *sums, const int16_t *terms) {
    vst1q_s16(sums, vaddq_s16(vld1q_s16(sums), vld1q_s16(terms)));
}
#else
static inline void cf_add_eight(int16_t *sums, const int16_t *terms) {
    for (int k = 0; k < 8; k++) sums[k] = (int16_t)(sums[k] + terms[k]);
}
#endif

/* What a co-rater who gave x adds to the sums in double of a partner: n, Sxx, Syy, Sxy and, if `six`, Sx, Sy.
   Written out, because compilers vectorise these sums in some callers and not in others. */
#ifdef CF_SSE2
typedef struct {
    __m128d one_xx, x;
} cf_terms;
static inline cf_terms cf_terms_of(double x) {
    cf_terms terms = {_mm_set_pd(x * x, 1.0), _mm_set1_pd(x)};
    return terms;
}
static inline void cf_add_doubles(double *sums, cf_terms terms, double y, int six) {
    __m128d both = _mm_set1_pd(y);
    __m128d yy_xy = _mm_mul_pd(_mm_unpacklo_pd(both, terms.x), both);
#ifdef __AVX__
    __m256d four = _mm256_insertf128_pd(_mm256_castpd128_pd256(terms.one_xx), yy_xy, 1);
    _mm256_storeu_pd(sums, _mm256_add_pd(four, _mm256_loadu_pd(sums)));
#else
    __m128d low = _mm_add_pd(terms.one_xx, _mm_load_pd(sums)), high = _mm_add_pd(yy_xy, _mm_load_pd(sums + 2));
    _mm_store_pd(sums, low);
    _mm_store_pd(sums + 2, high);
#endif
    if (six) _mm_store_pd(sums + 4, _mm_add_pd(_mm_unpacklo_pd(terms.x, both), _mm_load_pd(sums + 4)));
}
#else
typedef struct {
    double x, xx;
} cf_terms;
static inline cf_terms cf_terms_of(double x) {
    cf_terms terms = {x, x * x};
    return terms;
}
static inline void cf_add_doubles(double *sums, cf_terms terms, double y, int six) {
    sums[0] += 1;
    sums[1] += terms.xx;
    sums[2] += y * y;
    sums[3] += terms.x * y;
    if (six) {
        sums[4] += terms.x;
        sums[5] += y;
    }
}
#endif

/* The six sums of eight partners, regrouped: sum k of partner t goes to columns[k * stride + t]. */
static inline void cf_regroup_eight(const int16_t *sums, int16_t *columns, int stride) {
#ifdef CF_SSE2
    __m128i r[8], a[8];
    for (int t = 0; t < 8; t++) r[t] = _mm_loadu_si128((const __m128i *)(sums + 8 * t));
    for (int t = 0; t < 4; t++) {
        a[2 * t] = _mm_unpacklo_epi16(r[t], r[t + 4]);
        a[2 * t + 1] = _mm_unpackhi_epi16(r[t], r[t + 4]);
    }
    for (int t = 0; t < 4; t++) {
        r[2 * t] = _mm_unpacklo_epi16(a[t], a[t + 4]);
        r[2 * t + 1] = _mm_unpackhi_epi16(a[t], a[t + 4]);
    }
    for (int t = 0; t < 3; t++) {
        _mm_storeu_si128((__m128i *)(columns + 2 * t * stride), _mm_unpacklo_epi16(r[t], r[t + 4]));
        _mm_storeu_si128((__m128i *)(columns + (2 * t + 1) * stride), _mm_unpackhi_epi16(r[t], r[t + 4]));
    }
#else
    for (int t = 0; t < 8; t++)
        for (int k = 0; k < 6; k++) columns[k * stride + t] = sums[8 * t + k];
#endif
}

/* The rows of co-raters are short and far apart, and hardware prefetchers need a stream: their starts are
   prefetched. An address past the end of an array is only prefetched, never read. */
#if defined(__GNUC__) || defined(__clang__)
#define CF_PREFETCH(address) __builtin_prefetch(address)
#elif defined(_M_X64)
#define CF_PREFETCH(address) _mm_prefetch((const char *)(address), _MM_HINT_T0)
#else
#define CF_PREFETCH(address) ((void)(address))
#endif

static inline void cf_prefetch_lines(const void *start) {
    const char *line = (const char *)start;
    CF_PREFETCH(line);
    CF_PREFETCH(line + 64);
    CF_PREFETCH(line + 128);
    CF_PREFETCH(line + 192);
}

/* An entry of double accumulation: code in the high half, bits of the float32 value in the low half. */
static inline float cf_value_of(uint64_t entry) {
    union { uint32_t bits; float value; } u;
    u.bits = (uint32_t)entry;
    return u.value;
}

#endif

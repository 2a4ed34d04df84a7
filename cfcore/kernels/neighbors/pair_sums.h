/* The inner step of the similarity kernel: eight 16-bit sums are one 128-bit vector on every x86-64 and arm64,
   so this step is the same instruction on all SIMD levels. */
#ifndef CFCORE_PAIRSUMS_H
#define CFCORE_PAIRSUMS_H

#include <stdint.h>

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
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

/* The rows of co-raters are short and far apart: the hardware sees no stream, so their starts are asked for early.
   An address past the end of an array is never read from, only hinted at. */
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

/* The inner loop of the search for the nearest neighbours: keys of the entries above a threshold.

   A key is the bits of a positive float, which order as it does, above the complement of the entry's position, so
   that of two equally near the lower one wins. All levels write the same keys in the same order. */
#ifndef CFCORE_COLLECT_H
#define CFCORE_COLLECT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>

/* The keys in the mask, of eight, side by side. Writes 8 numbers at `keys`; returns how many of them count. */
static inline ptrdiff_t cfcore_store_keys(uint64_t *keys, __m256i near, __m256i position, __mmask8 wanted) {
    __m512i high = _mm512_slli_epi64(_mm512_cvtepu32_epi64(near), 32);
    __m512i both = _mm512_or_si512(high, _mm512_cvtepu32_epi64(position));
    _mm512_storeu_si512(keys, _mm512_maskz_compress_epi64(wanted, both));
    return (ptrdiff_t)_mm_popcnt_u32(wanted);
}
#endif

/* x if `wanted`, otherwise 0, without a branch. */
static inline float cfcore_float_if(int wanted, float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    bits &= 0u - (uint32_t)wanted;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* The search for the neighbours of one target among the entries of one holder. */
typedef struct {
    const float *row;     /* similarities of the target */
    const int32_t *codes; /* entries of the holder */
    int32_t target;
    int positive_only;
} cfcore_search;

/* Append to the `kept` keys those of the entries [q, stop) that are not the target and nearer than `threshold`:
   by |similarity|, or by similarity where only positive ones count. Returns how many there are then; `keys` has
   room for all entries. NaN is no neighbour. */
static inline ptrdiff_t cfcore_collect(const cfcore_search *search, ptrdiff_t q, ptrdiff_t stop, float threshold,
                                       uint64_t *keys, ptrdiff_t kept) {
    const float *row = search->row;
    const int32_t *codes = search->codes;
    int32_t target = search->target;
    uint32_t sign = search->positive_only ? 0xffffffffu : 0x7fffffffu;
#if defined(__AVX512F__)
    __m512i own = _mm512_set1_epi32(target), signs = _mm512_set1_epi32((int)sign);
    __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512 floor = _mm512_set1_ps(threshold);
    for (; q + 16 <= stop; q += 16) {
        __m512i code = _mm512_loadu_si512(codes + q);
        __m512i near = _mm512_and_si512(_mm512_castps_si512(_mm512_i32gather_ps(code, row, 4)), signs);
        __m512i position = _mm512_add_epi32(_mm512_set1_epi32((int)(uint32_t)q), lanes);
        __mmask16 wanted = _mm512_cmp_ps_mask(_mm512_castsi512_ps(near), floor, _CMP_GT_OQ);
        wanted &= _mm512_cmpneq_epi32_mask(code, own);
        position = _mm512_xor_si512(position, _mm512_set1_epi32(-1));
        kept += cfcore_store_keys(keys + kept, _mm512_castsi512_si256(near), _mm512_castsi512_si256(position),
                                  (__mmask8)wanted);
        kept += cfcore_store_keys(keys + kept, _mm512_extracti64x4_epi64(near, 1),
                                  _mm512_extracti64x4_epi64(position, 1), (__mmask8)(wanted >> 8));
    }
#endif
    for (; q < stop; ++q) {
        uint32_t bits;
        float near;
        memcpy(&bits, row + codes[q], sizeof(bits));
        bits &= sign;
        memcpy(&near, &bits, sizeof(near));
        keys[kept] = (uint64_t)bits << 32 | (uint32_t)~(uint32_t)q;
        kept += (near > threshold) & (codes[q] != target);
    }
    return kept;
}

#endif

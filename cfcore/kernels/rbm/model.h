/* Loops over rows of hidden units, and over 16 visible units whose levels are drawn together, one a lane.

   Like lanes.h, the same bits at every vector width: lanes are added to each other last, in a fixed order, and exp is
   plain arithmetic. */
#ifndef CFCORE_RBM_MODEL_H
#define CFCORE_RBM_MODEL_H

#include "../common/lanes.h"

/* exp(x) for |x| <= 87: a power of two times a polynomial; relative error below 3e-7. */
CF_INLINE float cf_expf(float x) {
    float t = x * 1.44269504089f, whole, part;
    uint32_t bits;
    whole = (t + 12582912.0f) - 12582912.0f;
    part = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * part + 1.3981999507e-3f;
    p = p * part + 8.3334519073e-3f;
    p = p * part + 4.1665795894e-2f;
    p = p * part + 1.6666665459e-1f;
    p = p * part + 5.0000001201e-1f;
    p = p * part * part + part + 1.0f;
    bits = (uint32_t)((int32_t)whole + 127) << 23;
    memcpy(&t, &bits, 4);
    return p * t;
}

/* x clamped to [-87, 87], where exp neither overflows nor underflows; NaN becomes -87. */
CF_INLINE float cf_clamp(float x) { x = x > -87.0f ? x : -87.0f; return x < 87.0f ? x : 87.0f; }

CF_INLINE void cf_sigmoids(const float *x, float *out, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) out[j] = 1.0f / (1.0f + cf_expf(-cf_clamp(x[j])));
}

/* Rows of hidden units: n is a multiple of 16; a compile-time constant is faster. CF_AT and CF_OF are the vector that
   begins at number f of a row, to be written and to be read. */
enum { cf_step_f32 = sizeof(cf_f32_vector) / sizeof(float) };
#define CF_AT(row) (*(cf_f32_vector *)((row) + f))
#define CF_OF(row) (*(const cf_f32_vector *)((row) + f))
#if defined(__GNUC__)
  #define CF_UNROLL _Pragma("GCC unroll 16")
  #define CF_UNROLL_FEW _Pragma("GCC unroll 4")
#else
  #define CF_UNROLL
  #define CF_UNROLL_FEW
#endif

CF_INLINE void cf_add(float *sum, const float *x, ptrdiff_t n) {
    CF_UNROLL
    for (ptrdiff_t f = 0; f < n; f += cf_step_f32) CF_AT(sum) += CF_OF(x);
}

CF_INLINE void cf_subtract(float *sum, const float *x, ptrdiff_t n) {
    CF_UNROLL
    for (ptrdiff_t f = 0; f < n; f += cf_step_f32) CF_AT(sum) -= CF_OF(x);
}

CF_INLINE void cf_add_difference(float *sum, const float *x, const float *y, ptrdiff_t n) {
    CF_UNROLL
    for (ptrdiff_t f = 0; f < n; f += cf_step_f32) CF_AT(sum) += CF_OF(x) - CF_OF(y);
}

/* v <- momentum v + rate (over g - decay x), x <- x + v; v NULL: without momentum. */
CF_INLINE void cf_update(float *x, float *v, const float *g, ptrdiff_t n, float over, float decay, float rate,
                       float momentum) {
    const float step = rate * over, loss = rate * decay;
    if (v == NULL)
        CF_UNROLL_FEW
        for (ptrdiff_t f = 0; f < n; f += cf_step_f32) CF_AT(x) += CF_OF(g) * step - CF_OF(x) * loss;
    else
        for (ptrdiff_t f = 0; f < n; f += cf_step_f32) {
            cf_f32_vector next = CF_OF(v) * momentum + (CF_OF(g) * step - CF_OF(x) * loss);
            CF_AT(v) = next;
            CF_AT(x) += next;
        }
}

/* Some rows of a matrix: those that `codes` names, in its order. */
typedef struct { const float *matrix; const int32_t *codes; ptrdiff_t n; } cf_rows;

/* out = sum of the rows `added` less that of the rows `subtracted`, from number f on, for `groups` (a constant) groups
   of CF_F32_LANES numbers that are kept in registers. Rows are of length n. */
CF_INLINE void cf_groups_of_difference(cf_rows added, cf_rows subtracted, ptrdiff_t n, ptrdiff_t f, int groups,
                                       float *out) {
    cf_f32_vector sum[4 * cf_parts_f32];
    const int parts = groups * cf_parts_f32;
    ptrdiff_t k;
    int j;
    memset(sum, 0, sizeof(sum));
    for (k = 0; k < added.n; k++)
        for (j = 0; j < parts; j++) sum[j] += ((const cf_f32_vector *)(added.matrix + f + added.codes[k] * n))[j];
    for (k = 0; k < subtracted.n; k++)
        for (j = 0; j < parts; j++)
            sum[j] -= ((const cf_f32_vector *)(subtracted.matrix + f + subtracted.codes[k] * n))[j];
    for (j = 0; j < parts; j++) ((cf_f32_vector *)(out + f))[j] = sum[j];
}

CF_INLINE void cf_difference_of_sums(cf_rows added, cf_rows subtracted, ptrdiff_t n, float *out) {
    CF_UNROLL
    for (ptrdiff_t f = 0; f < n; f += 4 * CF_F32_LANES) {
        const ptrdiff_t left = (n - f) / CF_F32_LANES;
        if (left >= 4) cf_groups_of_difference(added, subtracted, n, f, 4, out);
        else if (left == 3) cf_groups_of_difference(added, subtracted, n, f, 3, out);
        else if (left == 2) cf_groups_of_difference(added, subtracted, n, f, 2, out);
        else cf_groups_of_difference(added, subtracted, n, f, 1, out);
    }
}

/* rows <- S rows, for `levels` rows of n, where S[k, l] is the product of sharing[min(k, l)] to
   sharing[max(k, l) - 1]: one pass up the levels and one down, in place of a matrix product. */
CF_INLINE void cf_share_lanes(float *rows, const float *sharing, ptrdiff_t levels, ptrdiff_t n) {
    cf_f32_vector below[64], above; /* MAX_LEVELS */
    for (ptrdiff_t f = 0; f < n; f += cf_step_f32) {
        below[0] = CF_OF(rows);
        for (ptrdiff_t k = 1; k < levels; k++) below[k] = CF_OF(rows + k * n) + below[k - 1] * sharing[k - 1];
        memset(&above, 0, sizeof(above));
        for (ptrdiff_t k = levels - 1; k >= 0; k--) {
            const cf_f32_vector own = CF_OF(rows + k * n);
            CF_AT(rows + k * n) = below[k] + above;
            if (k > 0) above = (own + above) * sharing[k - 1];
        }
    }
}

CF_INLINE void cf_share_levels(float *rows, const float *sharing, ptrdiff_t levels, ptrdiff_t n) {
    if (levels == 5) cf_share_lanes(rows, sharing, 5, n);
    else cf_share_lanes(rows, sharing, levels, n);
}

/* cf_update without decay, number by number: rows of levels are not padded. */
CF_INLINE void cf_update_unpadded(float *x, float *v, const float *g, ptrdiff_t n, float over, float rate,
                                  float momentum) {
    for (ptrdiff_t k = 0; k < n; k++) {
        float next = (v == NULL ? 0.0f : v[k] * momentum) + rate * (g[k] * over);
        if (v != NULL) v[k] = next;
        x[k] += next;
    }
}

/* The sums of the lanes of four groups, each with the bits of cf_sum_f32. */
CF_INLINE void cf_four_sums(const cf_f32_vector (*group)[cf_parts_f32], float *out) {
#if defined(__GNUC__) && defined(__AVX__)
  #if defined(__AVX512F__)
    #define CF_F32_HALVES(group) _mm256_add_ps(_mm512_castps512_ps256((__m512)(group)[0]), \
                                               _mm512_extractf32x8_ps((__m512)(group)[0], 1))
  #else
    #define CF_F32_HALVES(group) _mm256_add_ps((__m256)(group)[0], (__m256)(group)[1])
  #endif
    /* Lower halves hold quarters 0 + 2, upper ones 1 + 3. */
    __m256 a = CF_F32_HALVES(group[0]), b = CF_F32_HALVES(group[1]);
    __m256 c = CF_F32_HALVES(group[2]), d = CF_F32_HALVES(group[3]), e;
    __m128 low, high;
    a = _mm256_add_ps(_mm256_permute2f128_ps(a, c, 0x20), _mm256_permute2f128_ps(a, c, 0x31));
    b = _mm256_add_ps(_mm256_permute2f128_ps(b, d, 0x20), _mm256_permute2f128_ps(b, d, 0x31));
    e = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    low = _mm256_castps256_ps128(e);
    high = _mm256_extractf128_ps(e, 1);
    _mm_storeu_ps(out, _mm_add_ps(_mm_movelh_ps(low, high), _mm_movehl_ps(high, low)));
#else
    for (int k = 0; k < 4; k++) out[k] = cf_sum_f32(group[k]);
#endif
}

/* A number in [0, 1) from a random word. */
CF_INLINE float cf_uniform(uint32_t word) { return (float)(int32_t)(word >> 8) * (1.0f / 16777216.0f); }

/* 1 where a word, as a number in [0, 1), is below on, else 0. */
CF_INLINE void cf_states(const uint32_t *words, const float *on, float *state, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) state[j] = cf_uniform(words[j]) < on[j] ? 1.0f : 0.0f;
}

/* x + h y where h is 0 or 1 in each lane: the product is exact, so a fused operation gives the same bits. */
#if defined(__GNUC__) && defined(__AVX512F__)
  #define CF_ADD_IF(x, h, y) (cf_f32_vector)_mm512_fmadd_ps((__m512)(h), (__m512)(y), (__m512)(x))
#elif defined(__GNUC__) && defined(__FMA__)
  #define CF_ADD_IF(x, h, y) (cf_f32_vector)_mm256_fmadd_ps((__m256)(h), (__m256)(y), (__m256)(x))
#else
  #define CF_ADD_IF(x, h, y) ((x) + (h) * (y))
#endif

/* out[16 k] = bias[k] + row k of a unit's weights . h, for `count` (a constant) rows; h holds zeros and ones. */
CF_INLINE void cf_logits_of_rows(const float *rows, const float *bias, const float *h, ptrdiff_t n, int count,
                              float *out) {
    cf_f32_vector sum[5][cf_parts_f32];
    float total[5];
    int j, k;
    memset(sum, 0, sizeof(sum));
    CF_UNROLL
    for (ptrdiff_t f = 0; f < n; f += CF_F32_LANES)
        for (j = 0; j < cf_parts_f32; j++) {
            const cf_f32_vector at = ((const cf_f32_vector *)(h + f))[j];
            for (k = 0; k < count; k++)
                sum[k][j] = CF_ADD_IF(sum[k][j], at, ((const cf_f32_vector *)(rows + k * n + f))[j]);
        }
    if (count == 5) cf_four_sums((const cf_f32_vector (*)[cf_parts_f32])sum, total);
    total[count - 1] = cf_sum_f32(sum[count - 1]);
    for (k = 0; k < count; k++) out[16 * k] = bias[k] + total[k];
}

/* Five rows at a time: their sums fit in registers, and most scales have five levels. */
CF_INLINE void cf_logits(const float *rows, const float *bias, const float *h, ptrdiff_t n, ptrdiff_t levels,
                         float *out) {
    ptrdiff_t k = 0;
    for (; k + 5 <= levels; k += 5) cf_logits_of_rows(rows + k * n, bias + k, h, n, 5, out + 16 * k);
    for (; k < levels; k++) cf_logits_of_rows(rows + k * n, bias + k, h, n, 1, out + 16 * k);
}

/* Philox needs all 64 bits of products of 32-bit numbers. These lie in lanes of 64 bits whose upper halves a product
   does not read, so they need not be cleared. */
#if defined(__GNUC__) && defined(__AVX512F__)
  typedef uint64_t cf_words __attribute__((vector_size(64)));
  #define CF_PRODUCT(x, y) (cf_words)_mm512_mul_epu32((__m512i)(x), (__m512i)(y))
#elif defined(__GNUC__) && defined(__AVX2__)
  typedef uint64_t cf_words __attribute__((vector_size(32)));
  #define CF_PRODUCT(x, y) (cf_words)_mm256_mul_epu32((__m256i)(x), (__m256i)(y))
#elif defined(__GNUC__) && defined(__SSE2__)
  #include <emmintrin.h>
  typedef uint64_t cf_words __attribute__((vector_size(16)));
  #define CF_PRODUCT(x, y) (cf_words)_mm_mul_epu32((__m128i)(x), (__m128i)(y))
#else
  typedef uint64_t cf_words;
  #define CF_PRODUCT(x, y) ((uint64_t)(uint32_t)(x) * (uint32_t)(y))
#endif
enum { cf_lanes_of_words = sizeof(cf_words) / 8, cf_parts_of_words = 16 / cf_lanes_of_words };

/* Word 0 of Philox4x32-10 under `key` for the counters (case, epoch, kind, unit), as numbers in [0, 1). */
CF_INLINE void cf_uniforms(const int64_t *cases, const int64_t *units, uint32_t epoch, uint32_t kind, uint64_t key,
                           float *out) {
    const cf_words zero = {0}, first_factor = zero + 0xD2511F53u, second_factor = zero + 0xCD9E8D57u;
    cf_words a[cf_parts_of_words], b[cf_parts_of_words], c[cf_parts_of_words], d[cf_parts_of_words];
    uint64_t words[16];
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    int j, round;
    memcpy(a, cases, sizeof(a));
    memcpy(d, units, sizeof(d));
    for (j = 0; j < cf_parts_of_words; j++) {
        b[j] = zero + epoch;
        c[j] = zero + kind;
    }
    for (round = 0; round < 10; round++) {
        for (j = 0; j < cf_parts_of_words; j++) {
            cf_words first = CF_PRODUCT(a[j], first_factor), second = CF_PRODUCT(c[j], second_factor);
            a[j] = (second >> 32) ^ b[j] ^ (zero + k0);
            b[j] = second;
            c[j] = (first >> 32) ^ d[j] ^ (zero + k1);
            d[j] = first;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(words, a, sizeof(words));
    for (j = 0; j < 16; j++) out[j] = cf_uniform((uint32_t)words[j]);
}

/* Logits of 16 visible units, [levels][16], are replaced by numbers in proportion to the probabilities, the largest of
   each unit being 1; total[16]: their sums. */
CF_INLINE void cf_softmax(float *CF_RESTRICT x, ptrdiff_t levels, float *CF_RESTRICT total) {
    float top[16];
    ptrdiff_t k;
    int j;
    for (j = 0; j < 16; j++) { top[j] = x[j]; total[j] = 0; }
    for (k = 1; k < levels; k++)
        for (j = 0; j < 16; j++) top[j] = x[16 * k + j] > top[j] ? x[16 * k + j] : top[j];
    for (k = 0; k < levels; k++)
        for (j = 0; j < 16; j++) {
            x[16 * k + j] = cf_expf(cf_clamp(x[16 * k + j] - top[j]));
            total[j] += x[16 * k + j];
        }
}

/* Levels by inverse CDF: how many of the first levels - 1 cumulative sums are at most u total. */
CF_INLINE void cf_draw(const float *CF_RESTRICT shares, const float *CF_RESTRICT total, const float *CF_RESTRICT u,
                       ptrdiff_t levels, int32_t *CF_RESTRICT drawn) {
    float sum[16], mark[16];
    ptrdiff_t k;
    int j;
    for (j = 0; j < 16; j++) { sum[j] = 0; drawn[j] = 0; mark[j] = u[j] * total[j]; }
    for (k = 0; k + 1 < levels; k++)
        for (j = 0; j < 16; j++) {
            sum[j] += shares[16 * k + j];
            drawn[j] += mark[j] >= sum[j];
        }
}

/* Expected ratings; values[level]. */
CF_INLINE void cf_expect(const float *CF_RESTRICT shares, const float *CF_RESTRICT total,
                         const float *CF_RESTRICT values, ptrdiff_t levels, float *CF_RESTRICT out) {
    ptrdiff_t k;
    int j;
    for (j = 0; j < 16; j++) out[j] = 0;
    for (k = 0; k < levels; k++)
        for (j = 0; j < 16; j++) out[j] += shares[16 * k + j] * values[k];
    for (j = 0; j < 16; j++) out[j] /= total[j];
}

#endif

/* Loops over rows of hidden units, and over the 16 lanes in which visible units are drawn.

   Like lanes.h, the same bits at every vector width: lanes keep to themselves until the end, and exp is plain
   arithmetic. */
#ifndef CFCORE_BOLTZMANN_H
#define CFCORE_BOLTZMANN_H

#include "lanes.h"

/* exp(x) for |x| <= 87: two to a whole power times a polynomial; relative error below 3e-7. */
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

/* x within +-87, where exp neither overflows nor vanishes; NaN becomes -87. */
CF_INLINE float cf_hold(float x) { x = x > -87.0f ? x : -87.0f; return x < 87.0f ? x : 87.0f; }

CF_INLINE void cf_sigmoids(const float *x, float *out, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) out[j] = 1.0f / (1.0f + cf_expf(-cf_hold(x[j])));
}

/* Rows of hidden units: n is a multiple of 16, and best a constant. CF_AT and CF_OF are the vector at lane f. */
enum { cf_step_f32 = sizeof(cf_f32_vector) / sizeof(float) };
#define CF_AT(row) (*(cf_f32_vector *)((row) + f))
#define CF_OF(row) (*(const cf_f32_vector *)((row) + f))
#if defined(__GNUC__)
  #define CF_UNROLL _Pragma("GCC unroll 16")
#else
  #define CF_UNROLL
#endif

CF_INLINE void cf_add(float *sum, const float *x, ptrdiff_t n) {
    CF_UNROLL
    for (ptrdiff_t f = 0; f < n; f += cf_step_f32) CF_AT(sum) += CF_OF(x);
}

CF_INLINE void cf_subtract(float *sum, const float *x, ptrdiff_t n) {
    CF_UNROLL
    for (ptrdiff_t f = 0; f < n; f += cf_step_f32) CF_AT(sum) -= CF_OF(x);
}

CF_INLINE void cf_add_less(float *sum, const float *x, const float *y, ptrdiff_t n) {
    CF_UNROLL
    for (ptrdiff_t f = 0; f < n; f += cf_step_f32) CF_AT(sum) += CF_OF(x) - CF_OF(y);
}

/* v <- momentum v + rate (over g - decay x), x <- x + v; v NULL: without momentum. */
CF_INLINE void cf_move(float *x, float *v, const float *g, ptrdiff_t n, float over, float decay, float rate,
                       float momentum) {
    if (v == NULL)
        for (ptrdiff_t f = 0; f < n; f += cf_step_f32)
            CF_AT(x) += (CF_OF(g) * over - CF_OF(x) * decay) * rate;
    else
        for (ptrdiff_t f = 0; f < n; f += cf_step_f32) {
            cf_f32_vector next = CF_OF(v) * momentum + (CF_OF(g) * over - CF_OF(x) * decay) * rate;
            CF_AT(v) = next;
            CF_AT(x) += next;
        }
}

/* rows <- sharing rows, for `levels` rows of n. */
CF_INLINE void cf_share(float *rows, const float *sharing, ptrdiff_t levels, ptrdiff_t n) {
    float mixed[64][CF_F32_LANES];
    ptrdiff_t f, k, l;
    int j;
    for (f = 0; f < n; f += CF_F32_LANES) {
        memset(mixed, 0, levels * sizeof(mixed[0]));
        for (k = 0; k < levels; k++)
            for (l = 0; l < levels; l++)
                for (j = 0; j < cf_parts_f32; j++)
                    ((cf_f32_vector *)mixed[k])[j] += ((const cf_f32_vector *)(rows + l * n + f))[j] * sharing[k * levels + l];
        for (k = 0; k < levels; k++) memcpy(rows + k * n + f, mixed[k], sizeof(mixed[0]));
    }
}

/* cf_move without decay, number by number: rows of levels are not padded. */
CF_INLINE void cf_move_few(float *x, float *v, const float *g, ptrdiff_t n, float over, float rate, float momentum) {
    for (ptrdiff_t k = 0; k < n; k++) {
        float next = (v == NULL ? 0.0f : v[k] * momentum) + rate * (g[k] * over);
        if (v != NULL) v[k] = next;
        x[k] += next;
    }
}

/* The sums of the lanes of four groups, each as cf_sum_f32 has it. */
CF_INLINE void cf_four_sums(const cf_f32_vector (*group)[cf_parts_f32], float *out) {
#if defined(__GNUC__)
    typedef int32_t places __attribute__((vector_size(16)));
    cf_f32_quarter q[4], low, high;
    for (int k = 0; k < 4; k++)
        q[k] = (CF_F32_QUARTER(group[k], 0) + CF_F32_QUARTER(group[k], 2))
             + (CF_F32_QUARTER(group[k], 1) + CF_F32_QUARTER(group[k], 3));
    for (int k = 0; k < 4; k += 2) /* lanes 0 + 2 of two groups, then lanes 1 + 3 of both */
        q[k] = __builtin_shuffle(q[k], q[k + 1], (places){0, 4, 1, 5})
             + __builtin_shuffle(q[k], q[k + 1], (places){2, 6, 3, 7});
    low = __builtin_shuffle(q[0], q[2], (places){0, 1, 4, 5});
    high = __builtin_shuffle(q[0], q[2], (places){2, 3, 6, 7});
    low += high;
    memcpy(out, &low, sizeof(low));
#else
    for (int k = 0; k < 4; k++) out[k] = cf_sum_f32(group[k]);
#endif
}

/* out[16 k] = bias[k] + row k of a unit's weights . x, for `count` (a constant) rows. */
CF_INLINE void cf_some_logits(const float *rows, const float *bias, const float *x, ptrdiff_t n, int count,
                              float *out) {
    cf_f32_vector sum[5][cf_parts_f32];
    float total[5];
    int j, k;
    memset(sum, 0, sizeof(sum));
    CF_UNROLL
    for (ptrdiff_t f = 0; f < n; f += CF_F32_LANES)
        for (j = 0; j < cf_parts_f32; j++) {
            cf_f32_vector at = ((const cf_f32_vector *)(x + f))[j];
            for (k = 0; k < count; k++) sum[k][j] += ((const cf_f32_vector *)(rows + k * n + f))[j] * at;
        }
    if (count == 5) cf_four_sums((const cf_f32_vector (*)[cf_parts_f32])sum, total);
    total[count - 1] = cf_sum_f32(sum[count - 1]);
    for (k = 0; k < count; k++) out[16 * k] = bias[k] + total[k];
}

/* Five rows at a time stay in registers, and five is the number of levels of most scales. */
CF_INLINE void cf_logits(const float *rows, const float *bias, const float *x, ptrdiff_t n, ptrdiff_t levels,
                         float *out) {
    ptrdiff_t k = 0;
    for (; k + 5 <= levels; k += 5) cf_some_logits(rows + k * n, bias + k, x, n, 5, out + 16 * k);
    for (; k < levels; k++) cf_some_logits(rows + k * n, bias + k, x, n, 1, out + 16 * k);
}

/* Philox needs the whole product of 32-bit numbers. They lie in lanes of 64 bits, whose upper halves no
   product looks at: so nothing need be cleared. */
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
    int j, turn;
    memcpy(a, cases, sizeof(a));
    memcpy(d, units, sizeof(d));
    for (j = 0; j < cf_parts_of_words; j++) {
        b[j] = zero + epoch;
        c[j] = zero + kind;
    }
    for (turn = 0; turn < 10; turn++) {
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
    for (j = 0; j < 16; j++) out[j] = (float)(int32_t)((uint32_t)words[j] >> 8) * (1.0f / 16777216.0f);
}

/* Logits of 16 visible units, [levels][16], become probabilities; the maximum is subtracted before exp. */
CF_INLINE void cf_softmax(float *restrict x, ptrdiff_t levels) {
    float top[16], total[16];
    ptrdiff_t k;
    int j;
    for (j = 0; j < 16; j++) { top[j] = x[j]; total[j] = 0; }
    for (k = 1; k < levels; k++)
        for (j = 0; j < 16; j++) top[j] = x[16 * k + j] > top[j] ? x[16 * k + j] : top[j];
    for (k = 0; k < levels; k++)
        for (j = 0; j < 16; j++) {
            x[16 * k + j] = cf_expf(cf_hold(x[16 * k + j] - top[j]));
            total[j] += x[16 * k + j];
        }
    for (k = 0; k < levels; k++)
        for (j = 0; j < 16; j++) x[16 * k + j] /= total[j];
}

/* Levels by inverse CDF: how many of the first levels - 1 running sums u has reached. */
CF_INLINE void cf_draw(const float *restrict shares, const float *restrict u, ptrdiff_t levels,
                       int32_t *restrict drawn) {
    float end[16];
    ptrdiff_t k;
    int j;
    for (j = 0; j < 16; j++) { end[j] = 0; drawn[j] = 0; }
    for (k = 0; k + 1 < levels; k++)
        for (j = 0; j < 16; j++) {
            end[j] += shares[16 * k + j];
            drawn[j] += u[j] >= end[j];
        }
}

CF_INLINE void cf_expect(const float *restrict shares, const float *restrict values, ptrdiff_t levels,
                         float *restrict out) {
    ptrdiff_t k;
    int j;
    for (j = 0; j < 16; j++) out[j] = 0;
    for (k = 0; k < levels; k++)
        for (j = 0; j < 16; j++) out[j] += shares[16 * k + j] * values[k];
}

#endif

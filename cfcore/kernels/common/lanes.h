/* Dot products and gradient steps over factor rows, the same bits at every vector width.

   A row is a whole number of 64-byte groups: 16 floats or 8 doubles. Lane j of a group is only ever added to
   lane j of another, of even groups and of odd ones by themselves; at the end the odd lanes are added to the
   even ones, and the lanes are summed by halves (j and j + n/2, and so on). A group is one
   AVX-512 register, two of AVX or four of SSE or NEON, so the width of the machine does not show in the sum.
   No product is contracted with a sum (-ffp-contract=off): a fused one would round once instead of twice.

   Rows need not be aligned to be correct; 64-byte aligned rows are faster. */
#ifndef CFCORE_LANES_H
#define CFCORE_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
  #define CF_RESTRICT __restrict
#else
  #define CF_RESTRICT restrict
#endif

#if defined(__GNUC__)
  #define CF_INLINE static inline __attribute__((always_inline))
  /* For `cdef inline` functions from here on: by itself GCC gives up on some of them, and then loops over rows
     of constant length are no longer unrolled. */
  #undef CYTHON_INLINE
  #define CYTHON_INLINE inline __attribute__((always_inline))
  #define CF_PREFETCH(address) __builtin_prefetch((address), 1, 3)
  #define CF_PREFETCH_READ(address) __builtin_prefetch((address), 0, 3)
  /* In the body of an `if`: keeps the compiler from computing both sides and choosing between them. */
  #define CF_KEEP_BRANCH() __asm__ volatile("")
  #if defined(__AVX512F__)
    #define CF_BYTES 64
  #elif defined(__AVX__)
    #define CF_BYTES 32
  #else
    #define CF_BYTES 16
  #endif
  typedef float cf_f32_vector __attribute__((vector_size(CF_BYTES), aligned(4), may_alias));
  typedef double cf_f64_vector __attribute__((vector_size(CF_BYTES), aligned(8), may_alias));
#else
  /* One lane a "vector": plain loops of 16 or 8 that the compiler may widen. */
  #define CF_INLINE static __inline
  #define CF_KEEP_BRANCH() ((void)0)
  #if defined(_M_X64) || defined(_M_IX86)
    #include <xmmintrin.h>
    #define CF_PREFETCH(address) _mm_prefetch((const char *)(address), _MM_HINT_T0)
  #else
    #define CF_PREFETCH(address) ((void)(address))
  #endif
  #define CF_PREFETCH_READ(address) CF_PREFETCH(address)
  typedef float cf_f32_vector;
  typedef double cf_f64_vector;
#endif

#define CF_F32_LANES 16
#define CF_F64_LANES 8

/* Sum of the lanes of a group. Spelt out in quarters of 16 bytes: compilers make poor code of a loop here. */
#if defined(__GNUC__)
  typedef float cf_f32_quarter __attribute__((vector_size(16)));
  typedef double cf_f64_quarter __attribute__((vector_size(16)));
  #if defined(__AVX512F__)
    #include <immintrin.h>
    #define CF_F32_QUARTER(group, j) (cf_f32_quarter)_mm512_extractf32x4_ps((__m512)(group)[0], j)
    #define CF_F64_QUARTER(group, j) (cf_f64_quarter)_mm512_extractf64x2_pd((__m512d)(group)[0], j)
  #elif defined(__AVX__)
    #include <immintrin.h>
    #define CF_F32_QUARTER(group, j) (cf_f32_quarter)_mm256_extractf128_ps((__m256)(group)[(j) / 2], (j) % 2)
    #define CF_F64_QUARTER(group, j) (cf_f64_quarter)_mm256_extractf128_pd((__m256d)(group)[(j) / 2], (j) % 2)
  #else
    #define CF_F32_QUARTER(group, j) (cf_f32_quarter)(group)[j]
    #define CF_F64_QUARTER(group, j) (cf_f64_quarter)(group)[j]
  #endif

CF_INLINE float cf_sum_f32(const cf_f32_vector *group) {
    cf_f32_quarter even = CF_F32_QUARTER(group, 0) + CF_F32_QUARTER(group, 2);
    cf_f32_quarter odd = CF_F32_QUARTER(group, 1) + CF_F32_QUARTER(group, 3);
    cf_f32_quarter sum = even + odd;
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

CF_INLINE double cf_sum_f64(const cf_f64_vector *group) {
    cf_f64_quarter even = CF_F64_QUARTER(group, 0) + CF_F64_QUARTER(group, 2);
    cf_f64_quarter odd = CF_F64_QUARTER(group, 1) + CF_F64_QUARTER(group, 3);
    cf_f64_quarter sum = even + odd;
    return sum[0] + sum[1];
}
#else
CF_INLINE float cf_sum_f32(const cf_f32_vector *lane) {
    float sum[4];
    int j;
    for (j = 0; j < 4; ++j)
        sum[j] = (lane[j] + lane[j + 8]) + (lane[j + 4] + lane[j + 12]);
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

CF_INLINE double cf_sum_f64(const cf_f64_vector *lane) {
    double sum[2];
    int j;
    for (j = 0; j < 2; ++j)
        sum[j] = (lane[j] + lane[j + 4]) + (lane[j + 2] + lane[j + 6]);
    return sum[0] + sum[1];
}
#endif

/* Ask for every cache line of what will soon be read. */
CF_INLINE void cf_prefetch_read(const void *begin, ptrdiff_t bytes) {
    ptrdiff_t at;
    for (at = 0; at < bytes; at += 64)
        CF_PREFETCH_READ((const char *)begin + at);
}

/* Ask for every cache line of what will soon be written. */
CF_INLINE void cf_prefetch(const void *begin, ptrdiff_t bytes) {
    ptrdiff_t at;
    for (at = 0; at < bytes; at += 64)
        CF_PREFETCH((const char *)begin + at);
}

#define CF_AHEAD 8 /* rows between asking for one that will be summed and using it */

/* n is the length of a row, a multiple of LANES. PARTS: registers a group. */
/* The rows that add up to a user's z = p + s + dev a + d, and an item's row q, each of n numbers of one type.
   has_a and has_d, constants, say whether there are a and d. */
typedef struct {
    void *p, *s, *a, *d, *q;
    ptrdiff_t n;
    double dev;
    int has_a, has_d;
} cf_user_rows;

/* Factors on these rows and on the rows added to them. Doubles that hold numbers of the rows' type. */
typedef struct {
    double keep_p, step_p, keep_s, step_s, keep_a, step_a, keep_d, step_d, keep_q, step_q;
} cf_user_steps;

#define CF_DEFINE_ROWS(T, S, LANES, VECTOR)                                                                 \
enum { cf_parts_##S = 64 / sizeof(VECTOR) };                                                                \
                                                                                                            \
/* Two running sums, of the even and of the odd groups: half as long to wait for. */                        \
CF_INLINE T cf_dot_##S(const T *p, const T *q, ptrdiff_t n) {                                               \
    VECTOR even[cf_parts_##S], odd[cf_parts_##S];                                                           \
    ptrdiff_t f;                                                                                            \
    int j;                                                                                                  \
    if (n == 0)                                                                                             \
        return 0;                                                                                           \
    for (j = 0; j < cf_parts_##S; ++j)                                                                      \
        even[j] = ((const VECTOR *)p)[j] * ((const VECTOR *)q)[j];                                          \
    if (n == LANES)                                                                                         \
        return cf_sum_##S(even);                                                                            \
    for (j = 0; j < cf_parts_##S; ++j)                                                                      \
        odd[j] = ((const VECTOR *)(p + LANES))[j] * ((const VECTOR *)(q + LANES))[j];                       \
    for (f = 2 * LANES; f + LANES < n; f += 2 * LANES)                                                      \
        for (j = 0; j < cf_parts_##S; ++j) {                                                                \
            even[j] += ((const VECTOR *)(p + f))[j] * ((const VECTOR *)(q + f))[j];                         \
            odd[j] += ((const VECTOR *)(p + f + LANES))[j] * ((const VECTOR *)(q + f + LANES))[j];          \
        }                                                                                                   \
    if (f < n)                                                                                              \
        for (j = 0; j < cf_parts_##S; ++j)                                                                  \
            even[j] += ((const VECTOR *)(p + f))[j] * ((const VECTOR *)(q + f))[j];                         \
    for (j = 0; j < cf_parts_##S; ++j)                                                                      \
        even[j] += odd[j];                                                                                  \
    return cf_sum_##S(even);                                                                                \
}                                                                                                           \
                                                                                                            \
CF_INLINE void cf_step_together_##S(T *p, T *q, ptrdiff_t n, T keep, T step) {                         \
    ptrdiff_t f;                                                                                            \
    int j;                                                                                                  \
    for (f = 0; f < n; f += LANES)                                                                          \
        for (j = 0; j < cf_parts_##S; ++j) {                                                                \
            VECTOR *at_p = (VECTOR *)(p + f) + j, *at_q = (VECTOR *)(q + f) + j;                            \
            VECTOR old_p = *at_p, old_q = *at_q;                                                            \
            *at_p = old_p * keep + old_q * step;                                                            \
            *at_q = old_q * keep + old_p * step;                                                            \
        }                                                                                                   \
}                                                                                                           \
                                                                                                            \
CF_INLINE void cf_step_sequential_##S(T *p, T *q, ptrdiff_t n, T keep, T step) {                          \
    ptrdiff_t f;                                                                                            \
    int j;                                                                                                  \
    for (f = 0; f < n; f += LANES)                                                                          \
        for (j = 0; j < cf_parts_##S; ++j) {                                                                \
            VECTOR *at_p = (VECTOR *)(p + f) + j, *at_q = (VECTOR *)(q + f) + j;                            \
            VECTOR old_p = *at_p, new_q = *at_q * keep + old_p * step;                                      \
            *at_q = new_q;                                                                                  \
            *at_p = old_p * keep + new_q * step;                                                            \
        }                                                                                                   \
}                                                                                                           \
                                                                                                            \
/* z at some place; terms that are left out cost nothing. */                                                \
CF_INLINE VECTOR cf_sum_at_##S(const cf_user_rows *rows, ptrdiff_t at) {                                    \
    VECTOR z = *(const VECTOR *)((const T *)rows->p + at) + *(const VECTOR *)((const T *)rows->s + at);     \
    if (rows->has_a)                                                                                        \
        z += *(const VECTOR *)((const T *)rows->a + at) * (T)rows->dev;                                     \
    if (rows->has_d)                                                                                        \
        z += *(const VECTOR *)((const T *)rows->d + at);                                                    \
    return z;                                                                                               \
}                                                                                                           \
                                                                                                            \
/* z . q */                                                                                                 \
CF_INLINE T cf_dot_of_sum_##S(const cf_user_rows *rows) {                                                   \
    VECTOR sum[cf_parts_##S];                                                                               \
    const T *q = (const T *)rows->q;                                                                        \
    ptrdiff_t f, at;                                                                                        \
    int j;                                                                                                  \
    memset(sum, 0, sizeof(sum));                                                                            \
    for (f = 0; f < rows->n; f += LANES)                                                                    \
        for (j = 0; j < cf_parts_##S; ++j) {                                                                \
            at = f + j * (LANES / cf_parts_##S);                                                            \
            sum[j] += cf_sum_at_##S(rows, at) * *(const VECTOR *)(q + at);                                  \
        }                                                                                                   \
    return cf_sum_##S(sum);                                                                                 \
}                                                                                                           \
                                                                                                            \
/* Each row x of p, s, a and d goes to keep x + step q, and q to keep q + step z, from the old values. */   \
CF_INLINE void cf_step_of_sum_##S(const cf_user_rows *rows, const cf_user_steps *by) {                      \
    T *p = (T *)rows->p, *s = (T *)rows->s, *a = (T *)rows->a, *d = (T *)rows->d, *q = (T *)rows->q;        \
    ptrdiff_t f, at;                                                                                        \
    int j;                                                                                                  \
    for (f = 0; f < rows->n; f += LANES)                                                                    \
        for (j = 0; j < cf_parts_##S; ++j) {                                                                \
            at = f + j * (LANES / cf_parts_##S);                                                            \
            VECTOR z = cf_sum_at_##S(rows, at);                                                             \
            VECTOR old_q = *(VECTOR *)(q + at);                                                             \
            *(VECTOR *)(p + at) = *(VECTOR *)(p + at) * (T)by->keep_p + old_q * (T)by->step_p;              \
            *(VECTOR *)(s + at) = *(VECTOR *)(s + at) * (T)by->keep_s + old_q * (T)by->step_s;              \
            if (rows->has_a)                                                                                \
                *(VECTOR *)(a + at) = *(VECTOR *)(a + at) * (T)by->keep_a + old_q * (T)by->step_a;          \
            if (rows->has_d)                                                                                \
                *(VECTOR *)(d + at) = *(VECTOR *)(d + at) * (T)by->keep_d + old_q * (T)by->step_d;          \
            *(VECTOR *)(q + at) = old_q * (T)by->keep_q + z * (T)by->step_q;                                \
        }                                                                                                   \
}                                                                                                           \
                                                                                                            \
/* row <- keep row + weight step; a weight of 1 is a constant and costs nothing. */                         \
CF_INLINE void cf_decay_##S(T *row, const T *step, ptrdiff_t n, T keep, T weight) {                         \
    ptrdiff_t f;                                                                                            \
    int j;                                                                                                  \
    for (f = 0; f < n; f += LANES)                                                                          \
        for (j = 0; j < cf_parts_##S; ++j) {                                                                \
            VECTOR *at = (VECTOR *)(row + f) + j;                                                           \
            *at = *at * keep + ((const VECTOR *)(step + f))[j] * weight;                                    \
        }                                                                                                   \
}                                                                                                           \
                                                                                                            \
/* `groups` columns of groups, at most 4, of the sum of rows: a constant, so that the sums stay in registers. */\
CF_INLINE void cf_sum_columns_##S(const T *rows, const int32_t *codes, const float *weights,                \
                                  ptrdiff_t n_codes, ptrdiff_t n, T *sum, int groups) {                     \
    VECTOR part[4 * cf_parts_##S];                                                                          \
    ptrdiff_t k;                                                                                            \
    int j;                                                                                                  \
    memset(part, 0, sizeof(part));                                                                          \
    for (k = 0; k < n_codes; ++k) {                                                                         \
        const VECTOR *row = (const VECTOR *)(rows + codes[k] * n);                                          \
        if (k + CF_AHEAD < n_codes)                                                                         \
            for (j = 0; j < groups; ++j)                                                                    \
                CF_PREFETCH_READ(rows + codes[k + CF_AHEAD] * n + j * LANES);                               \
        if (weights) {                                                                                      \
            for (j = 0; j < groups * cf_parts_##S; ++j)                                                     \
                part[j] += row[j] * (T)weights[k];                                                          \
        } else {                                                                                            \
            for (j = 0; j < groups * cf_parts_##S; ++j)                                                     \
                part[j] += row[j];                                                                          \
        }                                                                                                   \
    }                                                                                                       \
    for (j = 0; j < groups * cf_parts_##S; ++j)                                                             \
        ((VECTOR *)sum)[j] = part[j];                                                                       \
}                                                                                                           \
                                                                                                            \
/* `weights` is NULL, a constant, for a sum of the rows as they are. */                                     \
CF_INLINE void cf_sum_rows_##S(const T *rows, const int32_t *codes, const float *weights, ptrdiff_t n_codes,\
                               ptrdiff_t n, T *sum) {                                                       \
    ptrdiff_t f, left;                                                                                      \
    for (f = 0; f < n; f += 4 * LANES) {                                                                    \
        left = (n - f) / LANES;                                                                             \
        if (left >= 4) cf_sum_columns_##S(rows + f, codes, weights, n_codes, n, sum + f, 4);                \
        else if (left == 3) cf_sum_columns_##S(rows + f, codes, weights, n_codes, n, sum + f, 3);           \
        else if (left == 2) cf_sum_columns_##S(rows + f, codes, weights, n_codes, n, sum + f, 2);           \
        else cf_sum_columns_##S(rows + f, codes, weights, n_codes, n, sum + f, 1);                          \
    }                                                                                                       \
}

CF_DEFINE_ROWS(float, f32, CF_F32_LANES, cf_f32_vector)
CF_DEFINE_ROWS(double, f64, CF_F64_LANES, cf_f64_vector)

#endif

/* The SGD update, bare: one step of biased matrix factorisation without checks, clipping, slices and
   synchronisation, with sums in any order. Row lengths known to the compiler, four partial sums and prefetching of
   rows made it faster; prefetching 2 to 8 ratings ahead made no difference. */
#include <stdint.h>

#if defined __AVX512F__
#define BYTES 64
#elif defined __AVX__
#define BYTES 32
#else
#define BYTES 16
#endif
#define LANES (BYTES / 4)

typedef float vector __attribute__((vector_size(BYTES), may_alias));
typedef float eight __attribute__((vector_size(32)));
typedef float four __attribute__((vector_size(16)));

static inline __attribute__((always_inline)) float total(vector v) {
#if BYTES == 64
    const eight e = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7)
                  + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#elif BYTES == 32
    const eight e = v;
#endif
#if BYTES >= 32
    const four f = __builtin_shufflevector(e, e, 0, 1, 2, 3) + __builtin_shufflevector(e, e, 4, 5, 6, 7);
#else
    const four f = v;
#endif
    const four g = f + __builtin_shufflevector(f, f, 2, 3, 0, 1);
    return g[0] + g[1];
}

static inline __attribute__((always_inline)) double steps(
    const int32_t *users, const int32_t *items, const float *ratings, int64_t n, float *p, float *q,
    float *user_bias, float *item_bias, const int64_t width, float mean, float lr, float reg) {
    const float keep = 1 - lr * reg;
    double squares = 0;
    for (int64_t k = 0; k < n; k++) {
        if (k + 4 < n) {
            const float *next_p = p + users[k + 4] * width, *next_q = q + items[k + 4] * width;
            for (int64_t f = 0; f < width; f += 16) {
                __builtin_prefetch(next_p + f);
                __builtin_prefetch(next_q + f);
            }
        }
        vector *p_u = (vector *)(p + users[k] * width), *q_i = (vector *)(q + items[k] * width);
        vector sums[4] = {{0}, {0}, {0}, {0}};
#pragma GCC unroll 32
        for (int64_t f = 0; f < width / LANES; f++) sums[f % 4] += p_u[f] * q_i[f];
        const vector sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        const float error = ratings[k] - (mean + user_bias[users[k]] + item_bias[items[k]] + total(sum));
        const float step = lr * error;
        squares += (double)error * error;
        user_bias[users[k]] = keep * user_bias[users[k]] + step;
        item_bias[items[k]] = keep * item_bias[items[k]] + step;
#pragma GCC unroll 32
        for (int64_t f = 0; f < width / LANES; f++) {
            const vector old_p = p_u[f], old_q = q_i[f];
            p_u[f] = keep * old_p + step * old_q;
            q_i[f] = keep * old_q + step * old_p;
        }
    }
    return squares;
}

/* e = r - (mean + b_u + b_i + p_u . q_i); each parameter x is updated by lr (e dx - reg x).

   users, items, ratings: n of each, processed in this order; p, q: rows of `width` floats on 64-byte boundaries,
   width a multiple of 16. Returns the sum of the squared errors. */
double sgd(const int32_t *users, const int32_t *items, const float *ratings, int64_t n, float *p, float *q,
           float *user_bias, float *item_bias, int64_t width, float mean, float lr, float reg) {
#define STEPS(known) steps(users, items, ratings, n, p, q, user_bias, item_bias, known, mean, lr, reg)
    switch (width) {
        case 32: return STEPS(32);
        case 64: return STEPS(64);
        case 128: return STEPS(128);
        default: return STEPS(width);
    }
}

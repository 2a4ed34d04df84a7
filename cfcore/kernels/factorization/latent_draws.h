/* Draws of latent ratings of an ordered probit, a tile at a time: in float32 where intervals are neither far from the
   prediction nor narrow, and in double otherwise. Loops over a tile are widened by the compiler; see normal_cdf.h. */
#ifndef CFCORE_LATENT_DRAWS_H
#define CFCORE_LATENT_DRAWS_H

#include "factorization/ordinal.h"

#define CF_CLOSE 4.0f          /* standard deviations from the prediction, for draws in float32 */
#define CF_NARROW 0.0009765625f /* and less than this part of the mass beyond an interval's end */
#define CF_CUT 14.0f           /* ends of intervals in float32: the mass beyond is nothing */

/* A tile of neighbouring ratings, with the cut points around each, and random words. Latents come out. */
typedef struct {
    CF_TILE_OF(double) prediction[CF_ORDINAL_TILE];
    CF_TILE_OF(double) scale[CF_ORDINAL_TILE];
    CF_TILE_OF(double) low[CF_ORDINAL_TILE];
    CF_TILE_OF(double) high[CF_ORDINAL_TILE];
    CF_TILE_OF(double) latent[CF_ORDINAL_TILE];
    CF_TILE_OF(uint32_t) words[CF_ORDINAL_TILE];
} cf_latent_tile;

/* Philox4x32-10 of the counters (0, first + k, sweep, kind), whose words are those of the ratings k, k + 16, k + 32 and
   k + 48 of a tile. Words are kept in 64 bits, as wide as their products. */
CF_INLINE void cf_draw_words(uint32_t *out, uint32_t first, uint32_t sweep, uint32_t kind, uint64_t seed) {
    enum { n = CF_ORDINAL_TILE / 4 };
    for (int k = 0; k < n; ++k) {
        uint64_t a = 0, b = (uint32_t)(first + (uint32_t)k), c = sweep, d = kind;
        uint64_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
        for (int turn = 0; turn < 10; ++turn) {
            const uint64_t product = 0xD2511F53u * a, next = 0xCD9E8D57u * c;
            a = (next >> 32) ^ b ^ k0;
            b = next & 0xffffffffu;
            c = (product >> 32) ^ d ^ k1;
            d = product & 0xffffffffu;
            k0 = (k0 + 0x9E3779B9u) & 0xffffffffu;
            k1 = (k1 + 0xBB67AE85u) & 0xffffffffu;
        }
        out[k] = (uint32_t)a;
        out[k + n] = (uint32_t)b;
        out[k + 2 * n] = (uint32_t)c;
        out[k + 3 * n] = (uint32_t)d;
    }
}

/* A number in (0, 1) of a word. */
CF_INLINE double cf_uniform(uint32_t word) { return (word + 0.5) * 2.3283064365386963e-10; }

CF_INLINE float cf_uniform_f32(uint32_t word) {
    return (float)(int32_t)(word >> 1) * 4.656612873077393e-10f + 2.3283064365386963e-10f;
}

/* exp(x) for x <= 0; what is below -87 counts as -87. Relative error 1e-7, as of the functions that follow. */
CF_INLINE float cf_exp_f32(float x) {
    float n, r, p;
    uint32_t bits;
    x = x > -87.0f ? x : -87.0f;
    n = x * 1.44269504f + 12582912.0f; /* 1.5 2^23: the last bits are those of the integer */
    memcpy(&bits, &n, sizeof(bits));
    n -= 12582912.0f;
    r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    p = 0.0013956062f;
    p = p * r + 0.0083751350f;
    p = p * r + 0.0416660835f;
    p = p * r + 0.1666641542f;
    p = p * r + 0.5000000168f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    bits = (bits << 23) + 0x3F800000u;
    memcpy(&n, &bits, sizeof(n));
    return p * n;
}

/* log(x) for positive, normal x */
CF_INLINE float cf_log_f32(float x) {
    float f, p;
    uint32_t bits;
    int32_t exponent;
    memcpy(&bits, &x, sizeof(bits));
    exponent = (int32_t)(bits - 0x3F3504F3u + 0x40000000u) >> 23; /* 128 + e, x = 2^e (1 + f), 1 + f about 1 */
    bits -= ((uint32_t)exponent << 23) - 0x40000000u;
    memcpy(&f, &bits, sizeof(f));
    f -= 1.0f;
    p = -0.10686248620203839f;
    p = p * f + 0.16172078927819655f;
    p = p * f - 0.17068812797527577f;
    p = p * f + 0.19907870382759985f;
    p = p * f - 0.24984668109302235f;
    p = p * f + 0.3333458237331099f;
    p = p * f - 0.5000007776917477f;
    return (float)(exponent - 128) * 0.693147181f + (f * f * p + f);
}

/* Mills' ratio for x from 0 to 14: a polynomial in (x - 4) / (x + 4), over x + 4. */
CF_INLINE float cf_mills_f32(float x) {
    const float over = 1.0f / (x + 4.0f), t = (x - 4.0f) * over;
    float p = 0.0010074908850345125f;
    p = p * t + 0.003909983488130707f;
    p = p * t - 0.009187789572101401f;
    p = p * t - 0.01892432691184204f;
    p = p * t + 0.15149845299550627f;
    p = p * t - 0.46753217415458653f;
    p = p * t + 0.9704011903701375f;
    p = p * t - 1.5237712322243027f;
    p = p * t + 1.893219169456524f;
    return p * over;
}

/* The x that a normal number exceeds with probability q <= .5, by w = -log(4 q (1 - q)) <= 20: a polynomial in w, or in
   its root, times .5 - q, as in Giles, "Approximating the erfinv function" (2010). Relative error 3e-7. */
CF_INLINE float cf_upper_quantile_f32(float q, float w) {
    const int is_far = w > 5.0f;
    const float t = is_far ? sqrtf(w) - 3.25f : w;
    float p = is_far ? -0.00013688004609179705f : 8.070845387421476e-08f;
    p = p * t + (is_far ? -0.0004223573081427078f : -6.419620557724628e-07f);
    p = p * t + (is_far ? 0.0027781525870362207f : -1.2870764137777046e-05f);
    p = p * t + (is_far ? -0.005299597864609687f : 0.00019426310863213852f);
    p = p * t + (is_far ? 0.007049663910955387f : -0.00047296852931491047f);
    p = p * t + (is_far ? -0.010434795456699331f : -0.006499357403258966f);
    p = p * t + (is_far ? 0.015188714024559942f : 0.03261781691407274f);
    p = p * t + (is_far ? 2.8432857673398937f : 0.6562421884824405f);
    p = p * t + (is_far ? 8.72254567349594f : 2.506628039933167f);
    return (0.5f - q) * p;
}

/* Latents by the inverse distribution function, from the side on which the mass beyond them is at most a half; and the
   log-likelihood, which each lane of `sums` adds. */
CF_INLINE void cf_draw_exactly(cf_latent_tile *tile, ptrdiff_t n, double *sums) {
    CF_TILE_OF(double) beyond[CF_ORDINAL_TILE], far[CF_ORDINAL_TILE]; /* that mass, and minus its logarithm */
    cf_tails tails;
    double n_far[8] = {0}, any_far = 0.0;
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        tails.first[k] = (tile->low[k] - tile->prediction[k]) * tile->scale[k];
        tails.last[k] = (tile->high[k] - tile->prediction[k]) * tile->scale[k];
    }
    cf_fill_tails(&tails, 0);
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        const double u = cf_uniform(tile->words[k]), above = tails.from_b[k] + u * tails.mass[k];
        const double half = tails.a[k] < 0.0 ? above : above * tails.factor[k];
        const int is_lower = half > 0.5;
        const double mass = is_lower ? tails.below[k] + (1.0 - u) * tails.mass[k] : above;
        tile->latent[k] = (is_lower ? -1.0 : 1.0) * (cf_is_turned(&tails, k) ? -1.0 : 1.0);
        beyond[k] = is_lower ? mass : half;
        far[k] = mass > 1e-300 ? mass : 1e-300;
    }
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        const double s = tails.a[k] > 0.0 ? tails.a[k] : 0.0;
        far[k] = 0.5 * s * s - cf_log(far[k]);
    }
    for (int k = 0; k < CF_ORDINAL_TILE; k += 8)
        for (int lane = 0; lane < 8; ++lane) n_far[lane] += far[k + lane] > 24.5 ? 1.0 : 0.0;
    for (int lane = 0; lane < 8; ++lane) any_far += n_far[lane];
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) tile->latent[k] *= cf_upper_quantile(beyond[k], far[k]);
    for (ptrdiff_t k = 0; any_far > 0.0 && k < n; ++k)
        if (far[k] > 24.5) { /* rare: out of the range of the quantile's approximation */
            const double u = cf_uniform(tile->words[k]), a = tails.a[k], above = tails.from_b[k] + u * tails.mass[k];
            const int is_lower = a < 0.0 && above > 0.5;
            double mass = is_lower ? tails.below[k] + (1.0 - u) * tails.mass[k] : above, x;
            mass /= a > 0.0 ? tails.from_a[k] : 0.5;
            x = cf_tail_quantile(a > 0.0 ? a : 0.0, -cf_log(mass > 1e-300 ? mass : 1e-300));
            tile->latent[k] = is_lower != cf_is_turned(&tails, (int)k) ? -x : x;
        }
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        double x = tile->prediction[k] + tile->latent[k] / tile->scale[k];
        x = x > tile->low[k] ? x : tile->low[k];
        tile->latent[k] = x < tile->high[k] ? x : tile->high[k];
    }
    for (ptrdiff_t k = n; k < CF_ORDINAL_TILE; ++k) tails.a[k] = 0.0;
    for (int k = 0; k < CF_ORDINAL_TILE; k += 8)
        for (int lane = 0; lane < 8; ++lane) {
            const double s = tails.a[k + lane] > 0.0 ? tails.a[k + lane] : 0.0;
            sums[lane] -= 0.5 * s * s;
        }
    cf_add_logs(sums, tails.mass, n);
}

/* `cf_draw_exactly` in float32; 0 if an interval of the tile is not for it. */
CF_INLINE int cf_draw_closely(cf_latent_tile *tile, ptrdiff_t n, double *sums) {
    CF_TILE_OF(float) a[CF_ORDINAL_TILE], b[CF_ORDINAL_TILE], sign[CF_ORDINAL_TILE], factor[CF_ORDINAL_TILE];
    CF_TILE_OF(float) tail[CF_ORDINAL_TILE], q[CF_ORDINAL_TILE], w[CF_ORDINAL_TILE];
    CF_TILE_OF(double) mass[CF_ORDINAL_TILE];
    float n_other[16] = {0}, others = 0.0f;
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        float first = (float)((tile->low[k] - tile->prediction[k]) * tile->scale[k]);
        float last = (float)((tile->high[k] - tile->prediction[k]) * tile->scale[k]);
        first = first > -CF_CUT ? first : -CF_CUT;
        first = first < CF_CUT ? first : CF_CUT;
        last = last > -CF_CUT ? last : -CF_CUT;
        last = last < CF_CUT ? last : CF_CUT;
        a[k] = first + last < 0.0f ? -last : first;
        b[k] = first + last < 0.0f ? -first : last;
        sign[k] = first + last < 0.0f ? -1.0f : 1.0f;
    }
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        const float s = a[k] > 0.0f ? a[k] : 0.0f;
        factor[k] = cf_exp_f32(-0.5f * a[k] * a[k]);
        tail[k] = 0.3989422804f * cf_exp_f32(-0.5f * (b[k] - s) * (b[k] + s)) * cf_mills_f32(b[k]);
    }
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        const float u = cf_uniform_f32(tile->words[k]), rest = cf_uniform_f32(~tile->words[k]);
        const float part = 0.3989422804f * cf_mills_f32(a[k] < 0.0f ? -a[k] : a[k]), below = part * factor[k];
        const float from_a = a[k] < 0.0f ? 1.0f - below : part, own = from_a - tail[k];
        const float above = tail[k] + u * own, half = a[k] < 0.0f ? above : above * factor[k];
        const float other = half > 0.5f ? below + rest * own : half;
        sign[k] *= half > 0.5f ? -1.0f : 1.0f;
        mass[k] = own > CF_NARROW * from_a && a[k] < CF_CLOSE ? own : 0.0f;
        q[k] = other > 1e-30f ? other : 1e-30f;
        w[k] = 4.0f * q[k] * (1.0f - q[k]);
    }
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        const float far = -cf_log_f32(w[k]);
        w[k] = far > 0.0f ? far : 0.0f;
    }
    for (int k = 0; k < CF_ORDINAL_TILE; k += 16)
        for (int lane = 0; lane < 16; ++lane)
            n_other[lane] += mass[k + lane] > 0.0 && w[k + lane] < 20.0f ? 0.0f : 1.0f;
    for (int lane = 0; lane < 16; ++lane) others += n_other[lane];
    if (others > 0.0f) return 0;
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) sign[k] *= cf_upper_quantile_f32(q[k], w[k]);
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        double x = tile->prediction[k] + (double)sign[k] / tile->scale[k];
        x = x > tile->low[k] ? x : tile->low[k];
        tile->latent[k] = x < tile->high[k] ? x : tile->high[k];
    }
    for (ptrdiff_t k = n; k < CF_ORDINAL_TILE; ++k) a[k] = 0.0f;
    for (int k = 0; k < CF_ORDINAL_TILE; k += 8)
        for (int lane = 0; lane < 8; ++lane) {
            const double s = a[k + lane] > 0.0f ? a[k + lane] : 0.0f;
            sums[lane] -= 0.5 * s * s;
        }
    cf_add_logs(sums, mass, n);
    return 1;
}

/* Latents of a tile, of which the first n are used, and their log-likelihood. */
CF_INLINE void cf_draw_tile(cf_latent_tile *tile, ptrdiff_t n, double *sums) {
    if (!cf_draw_closely(tile, n, sums)) cf_draw_exactly(tile, n, sums);
}
#endif

/* Latent ratings of an ordered probit, a tile of ratings of one level at a time: probability of the level, its
   derivatives by the two cut points, and draws. Loops over a tile are widened by the compiler; see normal_cdf.h. */
#ifndef CFCORE_ORDINAL_H
#define CFCORE_ORDINAL_H

#include "common/normal_cdf.h"

#define CF_ORDINAL_TILE 64
#define CF_ORDINAL_SUMS 6
#define CF_BOUND CF_FURTHEST

/* A tile: predictions, square roots of precisions and, for draws, uniform numbers in (0, 1); latents come out. */
typedef struct {
    double prediction[CF_ORDINAL_TILE];
    double scale[CF_ORDINAL_TILE];
    double uniform[CF_ORDINAL_TILE];
    double latent[CF_ORDINAL_TILE];
} cf_ordinal_tile;

/* Philox4x32-10 of the counters (0, row, sweep, kind): a number in (0, 1) from the first two words. */
CF_INLINE void cf_uniforms(double *out, const int32_t *rows, uint32_t sweep, uint32_t kind, uint64_t seed) {
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        uint32_t c0 = 0, c1 = (uint32_t)rows[k], c2 = sweep, c3 = kind;
        uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
        uint64_t bits;
        double number;
        for (int turn = 0; turn < 10; ++turn) {
            uint64_t first = (uint64_t)0xD2511F53u * c0, second = (uint64_t)0xCD9E8D57u * c2;
            c0 = (uint32_t)(second >> 32) ^ c1 ^ k0;
            c1 = (uint32_t)second;
            c2 = (uint32_t)(first >> 32) ^ c3 ^ k1;
            c3 = (uint32_t)first;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        /* 52 bits as the fraction of a number in [1, 2), and half a step: the conversion of integers that is
           narrower than AVX-512 has no instruction for 64 bits. */
        bits = ((((uint64_t)c0 << 32) | c1) >> 12) | 0x3FF0000000000000u;
        memcpy(&number, &bits, sizeof(number));
        out[k] = (number - 1.0) + 1.1102230246251565e-16;
    }
}

/* The sum over up to a tile of components of the chance of less than a cut point, one of each component. */
CF_INLINE double cf_sum_chances(const double *means, const double *scales, const double *cut_points, ptrdiff_t n) {
    double sums[8] = {0}, value[CF_ORDINAL_TILE];
    if (n == CF_ORDINAL_TILE) {
        for (int k = 0; k < CF_ORDINAL_TILE; ++k)
            value[k] = cf_normal_cdf((cut_points[k] - means[k]) * scales[k]);
    } else {
        for (ptrdiff_t k = 0; k < n; ++k)
            value[k] = cf_normal_cdf((cut_points[k] - means[k]) * scales[k]);
        for (ptrdiff_t k = n; k < CF_ORDINAL_TILE; ++k)
            value[k] = 0.0;
    }
    for (int k = 0; k < CF_ORDINAL_TILE; k += 8)
        for (int lane = 0; lane < 8; ++lane)
            sums[lane] += value[k + lane];
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/* The interval of a level in standard deviations is (a, b), reflected where its middle is below 0: probabilities are
   then upper tails. They are relative to exp(-s^2 / 2) for s = max(a, 0), so that they do not underflow. */
typedef struct {
    double a[CF_ORDINAL_TILE];
    double factor[CF_ORDINAL_TILE]; /* exp(-a^2 / 2) */
    double below[CF_ORDINAL_TILE];  /* mass below a, for a < 0 */
    double from_a[CF_ORDINAL_TILE]; /* mass above a */
    double from_b[CF_ORDINAL_TILE]; /* mass above b */
    double mass[CF_ORDINAL_TILE];   /* that of the level */
} cf_level_tails;

/* Log-likelihood of the tile, and its derivatives by the lower cut point, by the upper one, twice by the lower, by
   both, and twice by the upper: each lane of `sums` adds its ratings in their order. `is_open` is a constant: whether
   the level has one cut point only, so that nothing is above b. */
CF_INLINE void cf_level_masses(const cf_ordinal_tile *tile, ptrdiff_t n, double low, double high,
                               cf_level_tails *tails, double (*sums)[8], int is_open) {
    double value[CF_ORDINAL_SUMS][CF_ORDINAL_TILE];
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        double scale = tile->scale[k], from_a, from_b, mass, density, mills, of_a, of_b, of_low, of_high;
        double first = (low - tile->prediction[k]) * scale, last = (high - tile->prediction[k]) * scale, a, b, s;
        int turned;
        first = first > -CF_BOUND ? first : -CF_BOUND;
        first = first < CF_BOUND ? first : CF_BOUND;
        last = last > -CF_BOUND ? last : -CF_BOUND;
        last = last < CF_BOUND ? last : CF_BOUND;
        turned = first + last < 0.0;
        a = turned ? -last : first;
        b = turned ? -first : last;
        s = a > 0.0 ? a : 0.0;
        tails->a[k] = a;
        tails->factor[k] = cf_exp(-0.5 * a * a);
        density = CF_INVERSE_ROOT_2PI * tails->factor[k];
        mills = cf_mills(a < 0.0 ? -a : a);
        tails->below[k] = density * mills;
        from_a = a < 0.0 ? 1.0 - density * mills : CF_INVERSE_ROOT_2PI * mills;
        of_a = a < 0.0 ? density : CF_INVERSE_ROOT_2PI;
        of_b = from_b = 0.0;
        if (!is_open) {
            of_b = CF_INVERSE_ROOT_2PI * cf_exp(-0.5 * (b - s) * (b + s));
            from_b = of_b * cf_mills(b);
        }
        mass = from_a - from_b;
        mass = mass > 1e-300 ? mass : 1e-300;
        tails->from_a[k] = from_a;
        tails->from_b[k] = from_b;
        tails->mass[k] = mass;
        of_low = (turned ? of_b : of_a) * (scale / mass); /* densities at the cut points, over the mass */
        of_high = (turned ? of_a : of_b) * (scale / mass);
        value[0][k] = cf_log(mass) - 0.5 * s * s;
        value[1][k] = -of_low;
        value[2][k] = of_high;
        value[3][k] = of_low * (first * scale - of_low);
        value[4][k] = of_low * of_high;
        value[5][k] = -of_high * (last * scale + of_high);
    }
    for (int j = 0; j < CF_ORDINAL_SUMS; ++j) {
        for (ptrdiff_t k = n; k < CF_ORDINAL_TILE; ++k)
            value[j][k] = 0.0;
        for (int k = 0; k < CF_ORDINAL_TILE; k += 8)
            for (int lane = 0; lane < 8; ++lane)
                sums[j][lane] += value[j][k + lane];
    }
}

/* Latents by the inverse distribution function, from the side on which the mass beyond them is at most a half. */
CF_INLINE void cf_draw_level(cf_ordinal_tile *tile, ptrdiff_t n, double low, double high,
                             const cf_level_tails *tails) {
    double far[CF_ORDINAL_TILE]; /* minus the logarithm of that mass */
    int any_far = 0;
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        double u = tile->uniform[k], a = tails->a[k], s = a > 0.0 ? a : 0.0, x;
        double beyond = tails->from_b[k] + u * tails->mass[k], half = a < 0.0 ? beyond : beyond * tails->factor[k];
        int is_lower = half > 0.5;
        beyond = is_lower ? tails->below[k] + (1.0 - u) * tails->mass[k] : beyond;
        far[k] = 0.5 * s * s - cf_log(beyond > 1e-300 ? beyond : 1e-300);
        any_far |= far[k] > 24.5;
        x = cf_upper_quantile(is_lower ? beyond : half, far[k]);
        tile->latent[k] = is_lower ? -x : x;
    }
    for (ptrdiff_t k = 0; any_far && k < n; ++k)
        if (far[k] > 24.5) { /* rare: out of the range of the quantile's approximation */
            double u = tile->uniform[k], a = tails->a[k], beyond = tails->from_b[k] + u * tails->mass[k], x;
            int is_lower = a < 0.0 && beyond > 0.5;
            beyond = is_lower ? tails->below[k] + (1.0 - u) * tails->mass[k] : beyond;
            beyond /= a > 0.0 ? tails->from_a[k] : 0.5;
            x = cf_tail_quantile(a > 0.0 ? a : 0.0, -cf_log(beyond > 1e-300 ? beyond : 1e-300));
            tile->latent[k] = is_lower ? -x : x;
        }
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        double first = (low - tile->prediction[k]) * tile->scale[k], x = tile->latent[k];
        double last = (high - tile->prediction[k]) * tile->scale[k];
        x = tile->prediction[k] + (first + last < 0.0 ? -x : x) / tile->scale[k];
        x = x > low ? x : low;
        tile->latent[k] = x < high ? x : high;
    }
}
#endif

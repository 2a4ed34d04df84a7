/* Latent ratings of an ordered probit, a tile of ratings at a time: probability of a level, and its derivatives by the
   two cut points. Loops over a tile are widened by the compiler; see normal_cdf.h. */
#ifndef CFCORE_ORDINAL_H
#define CFCORE_ORDINAL_H

#include "common/normal_cdf.h"

#define CF_ORDINAL_TILE 64
#define CF_ORDINAL_SUMS 6
#define CF_BOUND CF_FURTHEST

/* Numbers of a tile in whole cache lines: registers are as long as these. */
#if defined(__GNUC__)
  #define CF_TILE_OF(type) __attribute__((aligned(64))) type
#else
  #define CF_TILE_OF(type) type
#endif

/* A tile of ratings of one level: predictions, and square roots of precisions. */
typedef struct {
    CF_TILE_OF(double) prediction[CF_ORDINAL_TILE];
    CF_TILE_OF(double) scale[CF_ORDINAL_TILE];
} cf_ordinal_tile;

/* sums[lane] += the logarithms of the first n of a tile of masses, those of a lane as one product: the exponents are
   added apart. Masses from n on are overwritten. */
CF_INLINE void cf_add_logs(double *sums, double *mass, ptrdiff_t n) {
    double product[8];
    uint64_t exponents[8];
    for (ptrdiff_t k = n; k < CF_ORDINAL_TILE; ++k) mass[k] = 1.0;
    for (int lane = 0; lane < 8; ++lane) {
        product[lane] = 1.0;
        exponents[lane] = 0x4330000000000000u;
    }
    for (int k = 0; k < CF_ORDINAL_TILE; k += 8)
        for (int lane = 0; lane < 8; ++lane) {
            double part;
            uint64_t bits;
            memcpy(&bits, mass + k + lane, sizeof(bits));
            exponents[lane] += bits >> 52;
            bits = (bits & 0xfffffffffffffu) | 0x3FF0000000000000u;
            memcpy(&part, &bits, sizeof(part));
            product[lane] *= part;
        }
    for (int lane = 0; lane < 8; ++lane) {
        double exponent;
        memcpy(&exponent, exponents + lane, sizeof(exponent));
        exponent -= 4503599627370496.0 + 1023 * (CF_ORDINAL_TILE / 8);
        sums[lane] += cf_log(product[lane]) + exponent * 6.93147180559945309417e-01;
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

/* Intervals in standard deviations as (a, b), reflected where their middle is below 0: probabilities are then upper
   tails. They are relative to exp(-s^2 / 2) for s = max(a, 0), so that they do not underflow. */
typedef struct {
    CF_TILE_OF(double) first[CF_ORDINAL_TILE], last[CF_ORDINAL_TILE]; /* ends, cut off */
    CF_TILE_OF(double) a[CF_ORDINAL_TILE], b[CF_ORDINAL_TILE];
    CF_TILE_OF(double) factor[CF_ORDINAL_TILE]; /* exp(-a^2 / 2) */
    CF_TILE_OF(double) of_b[CF_ORDINAL_TILE];   /* density at b */
    CF_TILE_OF(double) below[CF_ORDINAL_TILE];  /* mass below a, for a < 0 */
    CF_TILE_OF(double) from_a[CF_ORDINAL_TILE], from_b[CF_ORDINAL_TILE]; /* masses above them */
    CF_TILE_OF(double) mass[CF_ORDINAL_TILE];   /* that of the interval */
} cf_tails;

CF_INLINE int cf_is_turned(const cf_tails *tails, int k) { return tails->first[k] + tails->last[k] < 0.0; }

/* The tails of the intervals of `first` and `last`. `is_open` is a constant: whether there is nothing above b. Loops
   are short, so that the processor runs several rounds of each at a time. */
CF_INLINE void cf_fill_tails(cf_tails *tails, int is_open) {
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        double first = tails->first[k], last = tails->last[k];
        first = first > -CF_BOUND ? first : -CF_BOUND;
        first = first < CF_BOUND ? first : CF_BOUND;
        last = last > -CF_BOUND ? last : -CF_BOUND;
        last = last < CF_BOUND ? last : CF_BOUND;
        tails->first[k] = first;
        tails->last[k] = last;
        tails->a[k] = first + last < 0.0 ? -last : first;
        tails->b[k] = first + last < 0.0 ? -first : last;
    }
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) tails->factor[k] = cf_exp(-0.5 * tails->a[k] * tails->a[k]);
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        const double a = tails->a[k];
        tails->below[k] = cf_mills(a < 0.0 ? -a : a);
    }
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        const double b = tails->b[k], s = tails->a[k] > 0.0 ? tails->a[k] : 0.0;
        tails->of_b[k] = is_open ? 0.0 : CF_INVERSE_ROOT_2PI * cf_exp(-0.5 * (b - s) * (b + s));
    }
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) tails->from_b[k] = is_open ? 0.0 : cf_mills(tails->b[k]);
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        const double mills = tails->below[k], below = CF_INVERSE_ROOT_2PI * tails->factor[k] * mills;
        double mass;
        tails->below[k] = below;
        tails->from_a[k] = tails->a[k] < 0.0 ? 1.0 - below : CF_INVERSE_ROOT_2PI * mills;
        tails->from_b[k] *= tails->of_b[k];
        mass = tails->from_a[k] - tails->from_b[k];
        tails->mass[k] = mass > 1e-300 ? mass : 1e-300;
    }
}

/* Log-likelihood of the tile, and its derivatives by the lower cut point, by the upper one, twice by the lower, by
   both, and twice by the upper: each lane of `sums` adds its ratings in their order. `is_open` is a constant: whether
   the level has one cut point only. */
CF_INLINE void cf_level_masses(const cf_ordinal_tile *tile, ptrdiff_t n, double low, double high,
                               double (*sums)[8], int is_open) {
    CF_TILE_OF(double) value[CF_ORDINAL_SUMS][CF_ORDINAL_TILE];
    cf_tails tails;
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        tails.first[k] = (low - tile->prediction[k]) * tile->scale[k];
        tails.last[k] = (high - tile->prediction[k]) * tile->scale[k];
    }
    cf_fill_tails(&tails, is_open);
    for (int k = 0; k < CF_ORDINAL_TILE; ++k) {
        const double scale = tile->scale[k], over = scale / tails.mass[k], a = tails.a[k], s = a > 0.0 ? a : 0.0;
        const double of_a = CF_INVERSE_ROOT_2PI * (a < 0.0 ? tails.factor[k] : 1.0), of_b = tails.of_b[k];
        const int turned = cf_is_turned(&tails, k);
        const double of_low = (turned ? of_b : of_a) * over; /* densities at the cut points, over the mass */
        const double of_high = (turned ? of_a : of_b) * over;
        value[0][k] = -0.5 * s * s;
        value[1][k] = -of_low;
        value[2][k] = of_high;
        value[3][k] = of_low * (tails.first[k] * scale - of_low);
        value[4][k] = of_low * of_high;
        value[5][k] = -of_high * (tails.last[k] * scale + of_high);
    }
    for (int j = 0; j < CF_ORDINAL_SUMS; ++j) {
        for (ptrdiff_t k = n; k < CF_ORDINAL_TILE; ++k)
            value[j][k] = 0.0;
        for (int k = 0; k < CF_ORDINAL_TILE; k += 8)
            for (int lane = 0; lane < 8; ++lane)
                sums[j][lane] += value[j][k + lane];
    }
    cf_add_logs(sums[0], tails.mass, n);
}
#endif

/* Sums of a Gibbs sampler: each number is a sum of its own, in the order of the ratings or members, so that the
   bits are those of a plain loop at any vector width. */
#ifndef CFCORE_GIBBS_H
#define CFCORE_GIBBS_H

#include "common/lanes.h"

#define CF_TILE 64 /* ratings whose products are summed in float32, before the sum is added to one of doubles */

#define CF_GATHER_AHEAD 8 /* ratings between asking for the row of a column and copying it */

/* Rows and groups of 16 columns of a matrix of sums that are kept in registers at a time: as many as fit. */
#if defined(CF_BYTES) && CF_BYTES == 64
  #define CF_GRAM_ROWS 8
  #define CF_GRAM_GROUPS 2
#else
  #define CF_GRAM_ROWS 4
  #define CF_GRAM_GROUPS 1
#endif

/* sums[lane] += lanes[lane], 16 numbers */
CF_INLINE void cf_add_lanes(double *CF_RESTRICT sums, const cf_f32_vector *lanes) {
#if defined(__GNUC__)
    typedef float half __attribute__((vector_size(CF_BYTES / 2), aligned(4), may_alias));
    for (int part = 0; part < 2 * cf_parts_f32; ++part)
        ((cf_f64_vector *)sums)[part] += __builtin_convertvector(((const half *)lanes)[part], cf_f64_vector);
#else
    for (int lane = 0; lane < CF_F32_LANES; ++lane)
        sums[lane] += (double)lanes[lane];
#endif
}

/* gram[i][j] += sum over t of scaled[t][i] z[t][j], for CF_GRAM_ROWS rows and `groups` groups of 16 columns, and
   rest[j] += sum over t of right[t][j] targets[t] where there are targets. */
CF_INLINE void cf_add_block(double *CF_RESTRICT gram, const float *scaled, const float *z, ptrdiff_t n,
                            ptrdiff_t width, int groups, double *CF_RESTRICT rest, const float *right,
                            const float *targets) {
    cf_f32_vector sum[CF_GRAM_ROWS * CF_GRAM_GROUPS * cf_parts_f32], of_targets[CF_GRAM_GROUPS * cf_parts_f32];
    const int parts = groups * cf_parts_f32;
    for (int a = 0; a < CF_GRAM_ROWS * parts; ++a) sum[a] = (cf_f32_vector){0};
    for (int part = 0; part < parts; ++part) of_targets[part] = (cf_f32_vector){0};
    for (ptrdiff_t t = 0; t < n; ++t) {
        const float *times = scaled + t * width;
        const cf_f32_vector *row = (const cf_f32_vector *)(z + t * width);
        for (int a = 0; a < CF_GRAM_ROWS; ++a)
            for (int part = 0; part < parts; ++part)
                sum[a * parts + part] += times[a] * row[part];
        if (targets)
            for (int part = 0; part < parts; ++part)
                of_targets[part] += ((const cf_f32_vector *)(right + t * width))[part] * targets[t];
    }
    for (int a = 0; a < CF_GRAM_ROWS; ++a)
        for (int group = 0; group < groups; ++group)
            cf_add_lanes(gram + a * width + group * CF_F32_LANES, sum + a * parts + group * cf_parts_f32);
    for (int group = 0; targets && group < groups; ++group)
        cf_add_lanes(rest + group * CF_F32_LANES, of_targets + group * cf_parts_f32);
}

/* The same for all rows, and columns from the group of 16 of a row on. Targets are summed with the first rows. */
CF_INLINE void cf_add_products(double *CF_RESTRICT gram, const float *scaled, const float *z, ptrdiff_t n,
                               ptrdiff_t width, double *CF_RESTRICT rest, const float *targets) {
    for (ptrdiff_t i = 0; i < width; i += CF_GRAM_ROWS) {
        ptrdiff_t j = i - i % CF_F32_LANES;
        for (; j + (CF_GRAM_GROUPS - 1) * CF_F32_LANES < width; j += CF_GRAM_GROUPS * CF_F32_LANES)
            if (i == 0)
                cf_add_block(gram + j, scaled, z + j, n, width, CF_GRAM_GROUPS, rest + j, scaled + j, targets);
            else
                cf_add_block(gram + i * width + j, scaled + i, z + j, n, width, CF_GRAM_GROUPS, NULL, NULL, NULL);
        for (; j < width; j += CF_F32_LANES)
            if (i == 0)
                cf_add_block(gram + j, scaled, z + j, n, width, 1, rest + j, scaled + j, targets);
            else
                cf_add_block(gram + i * width + j, scaled + i, z + j, n, width, 1, NULL, NULL, NULL);
    }
}

/* Copy rows of `columns` one after the other into z, and add their sum to `ones`; rows up to `ahead` are asked for. */
CF_INLINE void cf_gather_rows(float *CF_RESTRICT z, double *CF_RESTRICT ones, const float *columns,
                              const int32_t *indices, ptrdiff_t n, ptrdiff_t ahead, ptrdiff_t width) {
    for (ptrdiff_t f = 0; f < width; f += 4 * CF_F32_LANES) {
        const int groups = width - f < 4 * CF_F32_LANES ? (int)((width - f) / CF_F32_LANES) : 4;
        cf_f32_vector sum[4 * cf_parts_f32];
        for (int part = 0; part < 4 * cf_parts_f32; ++part) sum[part] = (cf_f32_vector){0};
        for (ptrdiff_t k = 0; k < n; ++k) {
            const cf_f32_vector *row = (const cf_f32_vector *)(columns + (ptrdiff_t)indices[k] * width + f);
            cf_f32_vector *to = (cf_f32_vector *)(z + k * width + f);
            if (k + CF_GATHER_AHEAD < ahead)
                cf_prefetch_read(columns + (ptrdiff_t)indices[k + CF_GATHER_AHEAD] * width + f,
                                 groups * CF_F32_LANES * sizeof(float));
            for (int part = 0; part < groups * cf_parts_f32; ++part) {
                to[part] = row[part];
                sum[part] += row[part];
            }
        }
        for (int group = 0; group < groups; ++group)
            cf_add_lanes(ones + f + group * CF_F32_LANES, sum + group * cf_parts_f32);
    }
}

/* rest[i] += sum over t of scaled[t][i] targets[t] */
CF_INLINE void cf_add_targets(double *CF_RESTRICT rest, const float *scaled, const float *targets, ptrdiff_t n,
                              ptrdiff_t width) {
    for (ptrdiff_t j = 0; j < width; j += CF_F32_LANES) {
        cf_f32_vector sum[cf_parts_f32];
        for (int part = 0; part < cf_parts_f32; ++part) sum[part] = (cf_f32_vector){0};
        for (ptrdiff_t t = 0; t < n; ++t)
            for (int part = 0; part < cf_parts_f32; ++part)
                sum[part] += ((const cf_f32_vector *)(scaled + t * width + j))[part] * targets[t];
        cf_add_lanes(rest + j, sum);
    }
}

/* Sums of the squares of targets, of their products with `products`, and of the squares of these, each times the
   weight of the rating: rating k of a tile in lane k % 8. */
CF_INLINE void cf_add_squares(double (*sums)[8], const float *targets, const float *products, const float *weights,
                              ptrdiff_t n) {
    double both[2][8];
    ptrdiff_t k = 0;
    for (; k < n; k += 8) {
        const ptrdiff_t more = n - k < 8 ? n - k : 8;
        if (more == 8)
            for (int lane = 0; lane < 8; ++lane) {
                both[0][lane] = targets[k + lane];
                both[1][lane] = products[k + lane];
            }
        else {
            memset(both, 0, sizeof(both));
            for (int lane = 0; lane < more; ++lane) {
                both[0][lane] = targets[k + lane];
                both[1][lane] = products[k + lane];
            }
        }
        for (int lane = 0; lane < 8; ++lane) {
            const double weight = !weights ? 1.0 : lane < more ? (double)weights[k + lane] : 0.0;
            const double target = both[0][lane] * weight;
            sums[0][lane] += target * both[0][lane];
            sums[1][lane] += target * both[1][lane];
            sums[2][lane] += both[1][lane] * weight * both[1][lane];
        }
    }
}

/* Rows of a matrix of doubles, by groups of 8 columns, that are kept in registers at a time. */
#if defined(CF_BYTES) && CF_BYTES == 64
  #define CF_DOUBLE_ROWS 8
#else
  #define CF_DOUBLE_ROWS 4
#endif

/* out[a][j] = the sum over f of rows[a][f] matrix[f][j], for `tall` rows, a constant, and 8 columns from j on. */
CF_INLINE void cf_multiply_block(double *CF_RESTRICT out, const double *rows, const double *matrix, ptrdiff_t k,
                                 int tall) {
    cf_f64_vector sum[CF_DOUBLE_ROWS * cf_parts_f64];
    for (int a = 0; a < tall * cf_parts_f64; ++a) sum[a] = (cf_f64_vector){0};
    for (ptrdiff_t f = 0; f < k; ++f)
        for (int a = 0; a < tall; ++a)
            for (int part = 0; part < cf_parts_f64; ++part)
                sum[a * cf_parts_f64 + part] += rows[a * k + f] * ((const cf_f64_vector *)(matrix + f * k))[part];
    for (int a = 0; a < tall; ++a)
        for (int part = 0; part < cf_parts_f64; ++part)
            ((cf_f64_vector *)(out + a * k))[part] = sum[a * cf_parts_f64 + part];
}

/* n rows of k numbers times a matrix. The last group of columns begins within the one before, if it must: each number
   is the same sum, wherever it is computed. */
CF_INLINE void cf_multiply_matrix(double *CF_RESTRICT out, const double *rows, const double *matrix, ptrdiff_t n,
                                  ptrdiff_t k) {
    ptrdiff_t row = 0;
    if (k < CF_F64_LANES) {
        for (; row < n; ++row)
            for (ptrdiff_t j = 0; j < k; ++j) {
                double sum = 0;
                for (ptrdiff_t f = 0; f < k; ++f) sum += rows[row * k + f] * matrix[f * k + j];
                out[row * k + j] = sum;
            }
        return;
    }
    for (; row < n; row += row + CF_DOUBLE_ROWS <= n ? CF_DOUBLE_ROWS : 1)
        for (ptrdiff_t j = 0; j < k; j += CF_F64_LANES) {
            const ptrdiff_t at = j + CF_F64_LANES <= k ? j : k - CF_F64_LANES;
            if (row + CF_DOUBLE_ROWS <= n)
                cf_multiply_block(out + row * k + at, rows + row * k, matrix + at, k, CF_DOUBLE_ROWS);
            else
                cf_multiply_block(out + row * k + at, rows + row * k, matrix + at, k, 1);
        }
}

/* sums[f][j] = the sum over rows of row[f] row[j], for j of the group of f and of those after it. */
CF_INLINE void cf_multiply_rows(double *CF_RESTRICT sums, const double *rows, ptrdiff_t n, ptrdiff_t k) {
    if (k < CF_F64_LANES) {
        for (ptrdiff_t f = 0; f < k; ++f)
            for (ptrdiff_t j = 0; j < k; ++j) {
                double sum = 0;
                for (ptrdiff_t row = 0; row < n; ++row) sum += rows[row * k + f] * rows[row * k + j];
                sums[f * k + j] = sum;
            }
        return;
    }
    for (ptrdiff_t f = 0; f < k; f += CF_F64_LANES)
        for (ptrdiff_t j = f; j < k; j += CF_F64_LANES) {
            const ptrdiff_t at = j + CF_F64_LANES <= k ? j : k - CF_F64_LANES;
            const ptrdiff_t top = f + CF_F64_LANES <= k ? f : k - CF_F64_LANES;
            for (int half = 0; half < CF_F64_LANES; half += CF_DOUBLE_ROWS) {
                cf_f64_vector sum[CF_DOUBLE_ROWS * cf_parts_f64];
                for (int a = 0; a < CF_DOUBLE_ROWS * cf_parts_f64; ++a) sum[a] = (cf_f64_vector){0};
                for (ptrdiff_t row = 0; row < n; ++row)
                    for (int a = 0; a < CF_DOUBLE_ROWS; ++a)
                        for (int part = 0; part < cf_parts_f64; ++part)
                            sum[a * cf_parts_f64 + part] += rows[row * k + top + half + a] *
                                                            ((const cf_f64_vector *)(rows + row * k + at))[part];
                for (int a = 0; a < CF_DOUBLE_ROWS; ++a)
                    for (int part = 0; part < cf_parts_f64; ++part)
                        ((cf_f64_vector *)(sums + (top + half + a) * k + at))[part] = sum[a * cf_parts_f64 + part];
            }
        }
}

/* sum += weight row, 8 doubles */
CF_INLINE void cf_add_eight(double *CF_RESTRICT sum, const double *CF_RESTRICT row, double weight) {
    for (int lane = 0; lane < CF_F64_LANES; ++lane)
        sum[lane] += weight * row[lane];
}
#endif

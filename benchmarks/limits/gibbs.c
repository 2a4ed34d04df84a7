/* The rows of Bayesian matrix factorisation given those of the columns, for K factors: sums of products over each
   row's ratings, a Cholesky factor, and the solution of both of its triangles. Normal numbers are given. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define K 32
#define TILE 64 /* ratings whose factors are copied side by side */

#if defined(__AVX512F__)
typedef float vector __attribute__((vector_size(64)));
#elif defined(__AVX__)
typedef float vector __attribute__((vector_size(32)));
#else
typedef float vector __attribute__((vector_size(16)));
#endif
#define LANES ((int)(sizeof(vector) / 4))
#define HEIGHT (LANES == 16 ? 8 : 4) /* rows of the sums that are kept in registers, of 32 columns or of 16 */
#define WIDE (LANES == 16 ? 32 : 16)

/* sums[i][j] += sum over t of z[t][i] z[t][j] for HEIGHT rows and `columns` columns, a constant */
static inline __attribute__((always_inline)) void add_block(float (*sums)[K], const float (*z)[K], int n, int i, int j,
                                                            int columns) {
    vector part[8][32 / LANES];
    const int vectors = columns / LANES;
    for (int a = 0; a < HEIGHT; ++a)
        for (int v = 0; v < vectors; ++v) memcpy(&part[a][v], &sums[i + a][j + v * LANES], sizeof(vector));
    for (int t = 0; t < n; ++t)
        for (int a = 0; a < HEIGHT; ++a)
            for (int v = 0; v < vectors; ++v) part[a][v] += z[t][i + a] * *(const vector *)&z[t][j + v * LANES];
    for (int a = 0; a < HEIGHT; ++a)
        for (int v = 0; v < vectors; ++v) memcpy(&sums[i + a][j + v * LANES], &part[a][v], sizeof(vector));
}

static void add_products(float (*sums)[K], const float (*z)[K], int n) {
    for (int i = 0; i < K; i += HEIGHT) {
        int j = i / 16 * 16;
        for (; j + WIDE <= K; j += WIDE) add_block(sums, z, n, i, j, WIDE);
        for (; j < K; j += 16) add_block(sums, z, n, i, j, 16);
    }
}

static void factorise(double a[K][K]) {
    for (int j = 0; j < K; ++j) {
        const double inverse = 1 / sqrt(a[j][j]);
        for (int i = j; i < K; ++i)
            a[j][i] *= inverse;
        for (int i = j + 1; i < K; ++i) {
            const double times = a[j][i];
            for (int l = i / 8 * 8; l < K; ++l) /* whole vectors; below the diagonal is not read */
                a[i][l] -= times * a[j][l];
        }
    }
}

void gibbs(const int64_t *indptr, const int32_t *indices, const float *targets, const float *columns,
           const double *prior, const double *noise, double alpha, int64_t n_rows, float *rows) {
    for (int64_t row = 0; row < n_rows; ++row) {
        float z[TILE][K] __attribute__((aligned(64))), sums[K][K] __attribute__((aligned(64))), linear[K];
        double a[K][K], x[K];
        memset(sums, 0, sizeof(sums));
        memset(linear, 0, sizeof(linear));
        for (int64_t begin = indptr[row]; begin < indptr[row + 1]; begin += TILE) {
            const int n = (int)(indptr[row + 1] - begin < TILE ? indptr[row + 1] - begin : TILE);
            for (int t = 0; t < n; ++t) {
                memcpy(z[t], columns + (int64_t)indices[begin + t] * K, sizeof(z[t]));
                for (int j = 0; j < K; ++j)
                    linear[j] += z[t][j] * targets[begin + t];
            }
            add_products(sums, z, n);
        }
        for (int i = 0; i < K; ++i) {
            for (int j = 0; j < K; ++j)
                a[i][j] = alpha * sums[i][j] + prior[i * K + j];
            x[i] = alpha * linear[i];
        }
        factorise(a);
        for (int j = 0; j < K; ++j) {
            x[j] /= a[j][j];
            for (int i = j + 1; i < K; ++i)
                x[i] -= x[j] * a[j][i];
        }
        for (int j = 0; j < K; ++j)
            x[j] += noise[row * K + j];
        for (int j = K - 1; j >= 0; --j) {
            for (int i = j + 1; i < K; ++i)
                x[j] -= a[j][i] * x[i];
            x[j] /= a[j][j];
            rows[row * K + j] = (float)x[j];
        }
    }
}

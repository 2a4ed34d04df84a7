/* Contrastive divergence (CD-1) on a softmax RBM, bare: a pass over the ratings on one thread without checks, slices
   and synchronisation, with sums in any order and cheap random numbers (xorshift in place of Philox). Five levels, no
   momentum.

   The order of work matters most. Case by case, each rating would read and write its own rows of W, mostly from
   beyond the cache. So the ratings of a mini-batch are sorted by visible unit, as in the kernel. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS 5

typedef struct { int32_t unit, row, level, drawn; } BatchRating;

static inline uint32_t next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

static inline float uniform(uint64_t *state) { return (float)(next(state) >> 8) * 0x1p-24f; }

/* exp by the usual polynomial, so that loops over it become vector code. */
static inline float quick_exp(float x) {
    x = x < -87 ? -87 : x > 87 ? 87 : x;
    const float whole = (x * 1.44269504f + 12582912.0f) - 12582912.0f, part = x - whole * 0.693147181f;
    const float p = 1 + part * (1 + part * (.5f + part * (.166666667f + part * (.0416666f + part * .0083333f))));
    const uint32_t bits = (uint32_t)((int32_t)whole + 127) << 23;
    float scale;
    memcpy(&scale, &bits, 4);
    return p * scale;
}

static inline __attribute__((always_inline)) void batches(
    const int64_t *indptr, const int32_t *units, const uint8_t *levels, const int32_t *order, int64_t n_order,
    int64_t batch, int64_t n_units, float *weights, float *visible_bias, float *hidden_bias, float *conditional,
    float *work, const int64_t width, int64_t n_hidden, float lr, float decay, uint64_t seed) {
    float *first = work, *last = first + batch * width, *state = last + batch * width, *sum = state + batch * width;
    float *offset = sum + batch * width;
    int32_t *counts = calloc(n_units + 1, 4);
    BatchRating *ratings = NULL;
    int64_t room = 0;
    for (int64_t begin = 0; begin < n_order; begin += batch) {
        const int64_t n_cases = begin + batch < n_order ? batch : n_order - begin;
        const int32_t *cases = order + begin;
        int64_t n = 0;
        memset(counts, 0, 4 * (n_units + 1));
        for (int64_t s = 0; s < n_cases; s++)
            for (int64_t k = indptr[cases[s]]; k < indptr[cases[s] + 1]; k++, n++) counts[units[k] + 1]++;
        for (int64_t i = 0; i < n_units; i++) counts[i + 1] += counts[i];
        if (n > room) ratings = realloc(ratings, (room = n) * sizeof(BatchRating));
        for (int64_t s = 0; s < n_cases; s++)
            for (int64_t k = indptr[cases[s]]; k < indptr[cases[s] + 1]; k++)
                ratings[counts[units[k]]++] = (BatchRating){units[k], (int32_t)s, levels[k], 0};

        for (int64_t s = 0; s < n_cases; s++) memcpy(offset + s * width, hidden_bias, width * 4);
        memset(sum, 0, (size_t)(n_cases * width) * 4);
        for (int64_t k = 0; k < n; k++) {
            float *to = sum + ratings[k].row * width, *given = offset + ratings[k].row * width;
            const float *w = weights + (ratings[k].unit * LEVELS + ratings[k].level) * width;
            for (int64_t j = 0; j < width; j++) to[j] += w[j];
            if (conditional) {
                const float *d = conditional + ratings[k].unit * width;
                for (int64_t j = 0; j < width; j++) given[j] += d[j];
            }
        }
        for (int64_t s = 0; s < n_cases * width; s += width) {
            for (int64_t j = 0; j < width; j++)
                first[s + j] = 1 / (1 + quick_exp(-(sum[s + j] + offset[s + j])));
            for (int64_t j = n_hidden; j < width; j++) first[s + j] = 0;
            for (int64_t j = 0; j < width; j++) state[s + j] = (float)(uniform(&seed) < first[s + j]);
        }
        memset(sum, 0, (size_t)(n_cases * width) * 4);
        for (int64_t start = 0; start < n; start += 16) {
            const int some = n - start < 16 ? (int)(n - start) : 16;
            float x[LEVELS][16] = {{0}};
            for (int r = 0; r < some; r++) {
                const float *w = weights + ratings[start + r].unit * LEVELS * width;
                const float *h = state + ratings[start + r].row * width;
                const float *b = visible_bias + ratings[start + r].unit * LEVELS;
                float total[LEVELS] = {0};
                for (int64_t j = 0; j < width; j++)
                    for (int k = 0; k < LEVELS; k++) total[k] += w[k * width + j] * h[j];
                for (int k = 0; k < LEVELS; k++) x[k][r] = total[k] + b[k];
            }
            float top[16], end[16], all[16] = {0};
            memcpy(top, x[0], sizeof(top));
            for (int k = 1; k < LEVELS; k++)
                for (int r = 0; r < 16; r++) top[r] = x[k][r] > top[r] ? x[k][r] : top[r];
            for (int k = 0; k < LEVELS; k++)
                for (int r = 0; r < 16; r++) all[r] += x[k][r] = quick_exp(x[k][r] - top[r]);
            int32_t drawn[16] = {0};
            for (int r = 0; r < 16; r++) end[r] = -uniform(&seed) * all[r];
            for (int k = 0; k + 1 < LEVELS; k++)
                for (int r = 0; r < 16; r++) {
                    end[r] += x[k][r];
                    drawn[r] += end[r] <= 0;
                }
            for (int r = 0; r < some; r++) {
                BatchRating *p = ratings + start + r;
                p->drawn = drawn[r];
                float *to = sum + p->row * width;
                const float *w = weights + (p->unit * LEVELS + p->drawn) * width;
                for (int64_t j = 0; j < width; j++) to[j] += w[j];
            }
        }
        for (int64_t s = 0; s < n_cases * width; s += width) {
            for (int64_t j = 0; j < width; j++) last[s + j] = 1 / (1 + quick_exp(-(sum[s + j] + offset[s + j])));
            for (int64_t j = n_hidden; j < width; j++) last[s + j] = 0;
        }
        for (int64_t k = 0; k < n;) {
            const int64_t unit = ratings[k].unit, start = k, at = unit * LEVELS * width;
            float gradient[LEVELS * width], step[width], bias[LEVELS] = {0};
            memset(gradient, 0, sizeof(gradient));
            memset(step, 0, sizeof(step));
            for (; k < n && ratings[k].unit == unit; k++) {
                const float *p = first + ratings[k].row * width, *q = last + ratings[k].row * width;
                float *up = gradient + ratings[k].level * width, *down = gradient + ratings[k].drawn * width;
                for (int64_t j = 0; j < width; j++) up[j] += p[j];
                for (int64_t j = 0; j < width; j++) down[j] -= q[j];
                bias[ratings[k].level]++;
                bias[ratings[k].drawn]--;
                if (conditional)
                    for (int64_t j = 0; j < width; j++) step[j] += p[j] - q[j];
            }
            const float over = lr / (float)(k - start), keep = lr * decay;
            for (int64_t j = 0; j < LEVELS * width; j++)
                weights[at + j] += gradient[j] * over - keep * weights[at + j];
            for (int v = 0; v < LEVELS; v++) visible_bias[unit * LEVELS + v] += bias[v] * over;
            if (conditional)
                for (int64_t j = 0; j < width; j++) conditional[unit * width + j] += step[j] * over;
        }
        for (int64_t j = 0; j < width; j++) {
            float step = 0;
            for (int64_t s = 0; s < n_cases; s++) step += first[s * width + j] - last[s * width + j];
            hidden_bias[j] += step * (lr / (float)n_cases);
        }
    }
    free(ratings);
    free(counts);
}

/* A pass over `order`, by count; conditional NULL: without D. work: 5 * batch rows of `width` floats. */
void rbm(const int64_t *indptr, const int32_t *units, const uint8_t *levels, const int32_t *order, int64_t n_order,
         int64_t batch, int64_t n_units, float *weights, float *visible_bias, float *hidden_bias, float *conditional,
         float *work, int64_t width, int64_t n_hidden, float lr, float decay, uint64_t seed) {
#define PASS(known) \
    batches(indptr, units, levels, order, n_order, batch, n_units, weights, visible_bias, hidden_bias, conditional, \
            work, known, n_hidden, lr, decay, seed)
    if (width == 112)
        PASS(112);
    else
        PASS(width);
}

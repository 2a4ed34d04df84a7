/* Loops over rows of hidden units, and exp by arithmetic that gives the same bits on every machine. */
#ifndef CFCORE_BOLTZMANN_H
#define CFCORE_BOLTZMANN_H

#include <Python.h>
#include <stdint.h>
#include <string.h>
/* exp(x) for |x| <= 87: two to a whole power times a polynomial; relative error below 3e-7. */
static inline float cf_expf(float x) {
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
static inline float cf_hold(float x) { x = x < -87.0f ? -87.0f : x; return x > 87.0f ? 87.0f : x; }
static inline void cf_sigmoids(const float *x, float *out, Py_ssize_t n) {
    for (Py_ssize_t j = 0; j < n; j++) out[j] = 1.0f / (1.0f + cf_expf(-cf_hold(x[j])));
}
static inline void cf_add(float *sum, const float *x, Py_ssize_t n) {
    for (Py_ssize_t j = 0; j < n; j++) sum[j] += x[j];
}
static inline void cf_subtract(float *sum, const float *x, Py_ssize_t n) {
    for (Py_ssize_t j = 0; j < n; j++) sum[j] -= x[j];
}
static inline void cf_move(float *x, float *v, const float *g, Py_ssize_t n, float over, float decay,
                           float rate, float momentum) {
    for (Py_ssize_t j = 0; j < n; j++) {
        v[j] = v[j] * momentum + rate * (g[j] * over - decay * x[j]);
        x[j] += v[j];
    }
}

/* rows <- sharing rows, for `levels` rows of n, a multiple of 16 or fewer than 16. */
static inline void cf_share(float *rows, const float *sharing, Py_ssize_t levels, Py_ssize_t n) {
    float mixed[64][16];
    for (Py_ssize_t f = 0; f < n; f += 16) {
        Py_ssize_t lanes = n - f < 16 ? n - f : 16;
        memset(mixed, 0, levels * sizeof(mixed[0]));
        for (Py_ssize_t k = 0; k < levels; k++)
            for (Py_ssize_t l = 0; l < levels; l++)
                for (Py_ssize_t j = 0; j < lanes; j++) mixed[k][j] += sharing[k * levels + l] * rows[l * n + f + j];
        for (Py_ssize_t k = 0; k < levels; k++) memcpy(rows + k * n + f, mixed[k], lanes * sizeof(float));
    }
}

#endif

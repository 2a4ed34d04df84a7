/* Standard normal numbers of counters: words of Philox4x32-10, by the method of Box and Muller (1958).

   Logarithm, sine and cosine are polynomials (those of FreeBSD's msun, Sun Microsystems 1993; errors of about a
   unit in the last place) rather than the C library's, which differ between machines; without branches, so that
   compilers vectorize the loops over slots. Only operations that IEEE 754 rounds correctly: the same bits on any
   machine. */
#ifndef CFCORE_NORMALS_H
#define CFCORE_NORMALS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
  #define CF_NORMALS_INLINE static inline __attribute__((always_inline))
  /* By itself: within a large function GCC leaves the loops over slots scalar. */
  #define CF_NORMALS_CALL static __attribute__((noinline, unused))
#else
  #define CF_NORMALS_INLINE static __inline
  #define CF_NORMALS_CALL static
#endif

#define CF_SLOTS 8 /* slots whose numbers are drawn at a time */

CF_NORMALS_INLINE double cf_as_double(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

CF_NORMALS_INLINE uint64_t cf_as_bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

/* A number in (0, 1] of the upper 53 bits of a word: they are put below the point of two powers of 2, since not
   all machines convert integers of 64 bits. */
CF_NORMALS_INLINE double cf_unit(uint64_t word) {
    double high = cf_as_double(0x4530000000000000u | word >> 43) - 0x1.00000001p84;
    double low = cf_as_double(0x4330000000000000u | (word >> 11 & 0xffffffffu));
    return (high + low + 0.5) * 0x1p-53;
}

/* log(u) for normal u > 0 */
CF_NORMALS_INLINE double cf_log(double u) {
    /* u = 2^k (1 + f), with 1 + f between the root of 1/2 and that of 2. */
    uint64_t bits = cf_as_bits(u) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    double k = cf_as_double(0x4330000000000000u | bits >> 52) - (0x1p52 + 1023);
    double f = cf_as_double((bits & 0xfffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1;
    double s = f / (2 + f), z = s * s, w = z * z, half = 0.5 * f * f;
    double even = 2.222219843214978396e-01 + w * 1.531383769920937332e-01;
    double odd = 1.818357216161805012e-01 + w * 1.479819860511658591e-01;
    even = w * (3.999999999940941908e-01 + w * even);
    odd = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * odd));
    return k * 6.93147180369123816490e-01 -
           ((half - (s * (half + (even + odd)) + k * 1.90821492927058770002e-10)) - f);
}

/* Two normal numbers of the two words of a counter's number. */
CF_NORMALS_INLINE void cf_normal_of(uint64_t one, uint64_t two, double *first, double *second) {
    double radius = sqrt(-2 * cf_log(cf_unit(one))), turn = cf_unit(two);
    /* The nearest quarter turn, and the angle from it. */
    double shifted = 4 * turn + 0x1.8p52;
    uint64_t quarter = cf_as_bits(shifted);
    double r = (turn - 0.25 * (shifted - 0x1.8p52)) * 6.283185307179586476925, z = r * r;
    double s = -2.50507602534068634195e-08 + z * 1.58969099521155010221e-10;
    double c = 2.08757232129817482790e-09 + z * -1.13596475577881948265e-11;
    s = -1.98412698298579493134e-04 + z * (2.75573137070700676789e-06 + z * s);
    s = 8.33333333332248946124e-03 + z * s;
    c = 2.48015872894767294178e-05 + z * (-2.75573143513906633035e-07 + z * c);
    c = -1.38888888888741095749e-03 + z * c;
    uint64_t sine = cf_as_bits(r + r * z * (-1.66666666666666324348e-01 + z * s));
    uint64_t cosine = cf_as_bits(1 - (0.5 * z - z * z * (4.16666666666666019037e-02 + z * c)));
    uint64_t swap = (sine ^ cosine) & (0 - (quarter & 1));
    *first = radius * cf_as_double(cosine ^ swap ^ ((quarter + 1) & 2) << 62);
    *second = radius * cf_as_double(sine ^ swap ^ (quarter & 2) << 62);
}

/* Normal numbers 2 first, ..., 2 (first + CF_SLOTS) - 1 of a row: two of each slot. */
CF_NORMALS_CALL void cf_normals(uint64_t seed, uint32_t kind, uint32_t sweep, uint32_t row, uint32_t first,
                                  double *out) {
    uint64_t a[CF_SLOTS], b[CF_SLOTS], c[CF_SLOTS], d[CF_SLOTS];
    double one[CF_SLOTS], two[CF_SLOTS];
    uint32_t key = (uint32_t)seed, other = (uint32_t)(seed >> 32);
    int slot, step;
    for (slot = 0; slot < CF_SLOTS; ++slot) {
        a[slot] = (uint32_t)(first + (uint32_t)slot);
        b[slot] = row;
        c[slot] = sweep;
        d[slot] = kind;
    }
    for (step = 0; step < 10; ++step) {
        for (slot = 0; slot < CF_SLOTS; ++slot) {
            uint64_t product = 0xD2511F53u * a[slot], next = 0xCD9E8D57u * c[slot];
            a[slot] = (next >> 32) ^ b[slot] ^ key;
            b[slot] = next & 0xffffffffu;
            c[slot] = (product >> 32) ^ d[slot] ^ other;
            d[slot] = product & 0xffffffffu;
        }
        key += 0x9E3779B9u;
        other += 0xBB67AE85u;
    }
    for (slot = 0; slot < CF_SLOTS; ++slot)
        cf_normal_of(a[slot] << 32 | b[slot], c[slot] << 32 | d[slot], one + slot, two + slot);
    for (slot = 0; slot < CF_SLOTS; ++slot) {
        out[2 * slot] = one[slot];
        out[2 * slot + 1] = two[slot];
    }
}
#endif

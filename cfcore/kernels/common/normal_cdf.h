/* The normal distribution function and its inverse, for loops over doubles that the compiler widens: no branches,
   and only operations that IEEE 754 rounds in one way, so that the bits are the same at any vector width. */
#ifndef CFCORE_NORMAL_CDF_H
#define CFCORE_NORMAL_CDF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "common/lanes.h"

#define CF_INVERSE_ROOT_2PI 0.3989422804014326779399461

/* exp(x) for x from -708 to 708; what is below counts as -708, what is above as 708. Relative error 3e-16. */
CF_INLINE double cf_exp(double x) {
    double n, r, p;
    uint64_t bits;
    x = x > -708.0 ? x : -708.0;
    x = x < 708.0 ? x : 708.0;
    n = x * 1.4426950408889634074 + 6755399441055744.0; /* 1.5 2^52: the last bits are those of the integer */
    memcpy(&bits, &n, sizeof(bits));
    n -= 6755399441055744.0;
    r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    p = 1.0 / 6227020800;
    p = p * r + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    bits = (bits << 52) + 0x3FF0000000000000u;
    memcpy(&n, &bits, sizeof(n));
    return p * n;
}

/* log(x) for positive, normal x. Error 2e-16 of the result or of x - 1. */
CF_INLINE double cf_log(double x) {
    double m, e, s, z, p;
    uint64_t bits, exponent;
    memcpy(&bits, &x, sizeof(bits));
    exponent = (bits - 0x3FE6A09E00000000u + 0x4000000000000000u) >> 52; /* 1024 + e, x = 2^e m, m about 1 */
    bits -= (exponent << 52) - 0x4000000000000000u;
    memcpy(&m, &bits, sizeof(m));
    exponent |= 0x4330000000000000u;
    memcpy(&e, &exponent, sizeof(e));
    e -= 4503599627371520.0; /* 2^52 + 1024 */
    s = (m - 1.0) / (m + 1.0);
    z = s * s;
    p = 1.0 / 21;
    p = p * z + 1.0 / 19;
    p = p * z + 1.0 / 17;
    p = p * z + 1.0 / 15;
    p = p * z + 1.0 / 13;
    p = p * z + 1.0 / 11;
    p = p * z + 1.0 / 9;
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    return e * 6.93147180369123816490e-01 + (2 * s + (2 * s * (z * p) + e * 1.90821492927058770002e-10));
}

/* Mills' ratio (1 - cdf(x)) / density(x) for x >= 0: a polynomial in (x - 5) / (x + 5), over x + 5. The
   polynomial interpolates at Chebyshev's points. Relative error 6e-15. */
CF_INLINE double cf_mills(double x) {
    double over = 1.0 / (x + 5.0), t = (x - 5.0) * over, p = 7.124820562792727e-10;
    p = p * t + 1.2312428942060282e-08;
    p = p * t - 1.0210818820212214e-08;
    p = p * t - 1.4288904981760342e-07;
    p = p * t + 8.578483269317265e-08;
    p = p * t + 1.0515855427200937e-06;
    p = p * t - 8.266959381507914e-07;
    p = p * t - 6.9116597046556405e-06;
    p = p * t + 9.970343098902998e-06;
    p = p * t + 4.1797503023694245e-05;
    p = p * t - 0.0001247348054671121;
    p = p * t - 0.00014882744259724025;
    p = p * t + 0.0013658593227824478;
    p = p * t - 0.0019999631228025364;
    p = p * t - 0.007503282937503077;
    p = p * t + 0.05212550255102336;
    p = p * t - 0.1732547340652238;
    p = p * t + 0.41364471572359096;
    p = p * t - 0.7859110755480652;
    p = p * t + 1.2415470615741324;
    p = p * t - 1.667866595188936;
    p = p * t + 1.9280810471531589;
    return p * over;
}

/* The x that a normal number exceeds with probability q <= .5, by its minus logarithm `far`, for q >= 2e-11.
   Relative error 1e-15: Wichura, "Algorithm AS 241: the percentage points of the normal distribution" (1988). */
CF_INLINE double cf_upper_quantile(double q, double far) {
    double d = 0.5 - q, r = 0.180625 - d * d, t = sqrt(far) - 1.6, top, bottom, top_far, bottom_far;
    int is_far = d > 0.425;
    top = 2.5090809287301226727e+3;
    top = top * r + 3.3430575583588128105e+4;
    top = top * r + 6.7265770927008700853e+4;
    top = top * r + 4.5921953931549871457e+4;
    top = top * r + 1.3731693765509461125e+4;
    top = top * r + 1.9715909503065514427e+3;
    top = top * r + 1.3314166789178437745e+2;
    top = (top * r + 3.3871328727963666080e+0) * d;
    bottom = 5.2264952788528545610e+3;
    bottom = bottom * r + 2.8729085735721942674e+4;
    bottom = bottom * r + 3.9307895800092710610e+4;
    bottom = bottom * r + 2.1213794301586595867e+4;
    bottom = bottom * r + 5.3941960214247511077e+3;
    bottom = bottom * r + 6.8718700749205790830e+2;
    bottom = bottom * r + 4.2313330701600911252e+1;
    bottom = bottom * r + 1.0;
    top_far = 7.74545014278341407640e-4;
    top_far = top_far * t + 2.27238449892691845833e-2;
    top_far = top_far * t + 2.41780725177450611770e-1;
    top_far = top_far * t + 1.27045825245236838258e+0;
    top_far = top_far * t + 3.64784832476320460504e+0;
    top_far = top_far * t + 5.76949722146069140550e+0;
    top_far = top_far * t + 4.63033784615654529590e+0;
    top_far = top_far * t + 1.42343711074968357734e+0;
    bottom_far = 1.05075007164441684324e-9;
    bottom_far = bottom_far * t + 5.47593808499534494600e-4;
    bottom_far = bottom_far * t + 1.51986665636164571966e-2;
    bottom_far = bottom_far * t + 1.48103976427480074590e-1;
    bottom_far = bottom_far * t + 6.89767334985100004550e-1;
    bottom_far = bottom_far * t + 1.67638483018380384940e+0;
    bottom_far = bottom_far * t + 2.05319162663775882187e+0;
    bottom_far = bottom_far * t + 1.0;
    top = is_far ? top_far : top;
    bottom = is_far ? bottom_far : bottom;
    return top / bottom;
}

/* The x > a, for a >= 0, that a normal number which exceeds a exceeds with probability exp(-more): Newton's method
   on the logarithm of Mills' ratio, for tails of any distance. */
CF_INLINE double cf_tail_quantile(double a, double more) {
    double step = 2 * more / (a + sqrt(a * a + 2 * more)), mills = cf_mills(a), here;
    int k;
    for (k = 0; k < 6; ++k) {
        here = cf_mills(a + step);
        step -= (step * (a + 0.5 * step) - cf_log(here / mills) - more) * here;
        step = step > 0.0 ? step : 0.0;
    }
    return a + step;
}
#endif

/* Words of compilers, and functions that are compiled for AVX2 besides. */

#ifndef CFCORE_SURPRISE_TARGETS_H
#define CFCORE_SURPRISE_TARGETS_H

#if defined(_MSC_VER)
#define CF_RESTRICT __restrict
#define CF_INLINE static __forceinline
#else
#define CF_RESTRICT restrict
#define CF_INLINE static inline __attribute__((always_inline))
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define CF_HAS_AVX2 1
#define CF_AVX2 __attribute__((target("avx2,fma")))
#else
#define CF_HAS_AVX2 0
#endif

#endif

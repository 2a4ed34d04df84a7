"""SIMD level of this processor, and the compiler and options of the kernels."""

cdef extern from *:
    """
    #if defined(__x86_64__) || defined(_M_X64)
      #if defined(_MSC_VER) && !defined(__clang__)
        #include <intrin.h>
        #include <immintrin.h>
        static int cfcore_cpu_level(void) {
            int r[4], has7[4], ext[4];
            __cpuid(r, 0);
            if (r[0] < 7) return 0;
            __cpuid(r, 1);
            __cpuidex(has7, 7, 0);
            __cpuid(ext, 0x80000001);
            /* OSXSAVE, AVX, FMA, F16C, MOVBE; the system must save the wide registers too. */
            if (!(r[2] & (1 << 27)) || !(r[2] & (1 << 28)) || !(r[2] & (1 << 12))) return 0;
            if (!(r[2] & (1 << 29)) || !(r[2] & (1 << 22)) || !(ext[2] & (1 << 5))) return 0;
            unsigned long long saved = _xgetbv(0);
            if ((saved & 0x6) != 0x6) return 0;
            if (!(has7[1] & (1 << 5)) || !(has7[1] & (1 << 3)) || !(has7[1] & (1 << 8))) return 0;
            /* AVX-512 F, DQ, CD, BW, VL and its three kinds of state. */
            if ((saved & 0xE6) != 0xE6) return 1;
            int needed = (1 << 16) | (1 << 17) | (1 << 28) | (1 << 30) | (int)(1u << 31);
            return (has7[1] & needed) == needed ? 2 : 1;
        }
      #else
        #include <cpuid.h>
        /* F16C, MOVBE and LZCNT belong to x86-64-v3 too, and virtual machines may lack them; not every
           compiler has a name for them below. */
        static int cfcore_has_rest_of_v3(void) {
            unsigned a, b, c, d;
            if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 29)) || !(c & (1u << 22))) return 0;
            return __get_cpuid(0x80000001u, &a, &b, &c, &d) && (c & (1u << 5)) != 0;
        }
        static int cfcore_cpu_level(void) {
            /* These builtins check the processor and the XSAVE state of the operating system. */
            __builtin_cpu_init();
            if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")
                || !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2")
                || !cfcore_has_rest_of_v3()) return 0;
            if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")
                || !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq")
                || !__builtin_cpu_supports("avx512vl")) return 1;
            return 2;
        }
      #endif
    #else
      static int cfcore_cpu_level(void) { return 0; }
    #endif

    #ifdef _OPENMP
      static const int cfcore_openmp = _OPENMP;
    #else
      static const int cfcore_openmp = 0;
    #endif
    #ifdef CFCORE_DEBUG
      static const int cfcore_debug = 1;
    #else
      static const int cfcore_debug = 0;
    #endif
    #if defined(__clang__)
      static const char *cfcore_compiler = "Clang " __clang_version__;
    #elif defined(__GNUC__)
      static const char *cfcore_compiler = "GCC " __VERSION__;
    #elif defined(_MSC_VER)
      static const char *cfcore_compiler = "MSVC";
    #else
      static const char *cfcore_compiler = "unknown";
    #endif
    """
    int cfcore_cpu_level()
    int cfcore_openmp
    int cfcore_debug
    const char* cfcore_compiler


def simd_level():
    """Highest SIMD level that processor and system support: 0 baseline, 1 AVX2, 2 AVX-512."""
    return cfcore_cpu_level()


def openmp_version():
    """The compiler's ``_OPENMP`` date (such as 201511), or 0 for a single-thread build."""
    return cfcore_openmp


def is_debug_build():
    """True if the kernels were compiled with CFCORE_DEBUG=1."""
    return cfcore_debug != 0


def compiler():
    """Name and version of the C compiler."""
    return cfcore_compiler.decode("utf-8")

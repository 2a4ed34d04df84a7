/* The co-rated pair, bare: the sums n, Sx, Sy, Sxx, Syy, Sxy of all item pairs, without checks, slices, spills and
   evaluation. It is the fastest loop that was found; wider vectors do not help, because a partner's eight 16-bit sums
   are one 128-bit vector and partners are scattered in memory. Tried and not faster: four lanes of 64 bits with all
   sums in one word, relabelling by popularity, unrolling by eight, fewer address operations. */
#include <stdint.h>
#include <string.h>

/* Of the two loads, the one with an index must be the plain one: an AVX addition with an indexed operand is split
   in two, and a quarter slower. Compilers choose the other; this prevents it. */
#ifdef __AVX__
#define FIRST(term) __asm__("" : "+x"(term))
#else
#define FIRST(term) (void)0
#endif

typedef int16_t sums_t __attribute__((vector_size(16), may_alias));

/* Read, for every row and each of its co-raters, the co-rater's entries up to row_ends[e].

   row_indptr[n_rows + 1], row_co[n], row_level[n], row_ends[n]: rows; co_indptr, co_entries: co-raters, an entry is
   partner << 4 | level. sums: 8 n_rows numbers on a 64-byte boundary. Returns a checksum. */
double pair(const int64_t *row_indptr, const int32_t *row_co, const uint8_t *row_level, const int64_t *row_ends,
            const int64_t *co_indptr, const uint32_t *co_entries, int64_t n_rows, int16_t *sums) {
    static _Alignas(64) int16_t products[16][16][8];
    for (int x = 0; x < 16; x++)
        for (int y = 0; y < 16; y++) {
            const int16_t a = (int16_t)(x - 2), b = (int16_t)(y - 2);
            const int16_t terms[8] = {1, a, b, (int16_t)(a * a), (int16_t)(b * b), (int16_t)(a * b), 0, 0};
            memcpy(products[x][y], terms, sizeof terms);
        }
    double checksum = 0;
    for (int64_t row = 0; row < n_rows; row++) {
        const int64_t end = row_indptr[row + 1];
        memset(sums, 0, (size_t)row * 16);
        for (int64_t e = row_indptr[row]; e < end; e++) {
            const char *terms = (const char *)products[row_level[e]];
            const uint32_t *entry = co_entries + co_indptr[row_co[e]], *last = co_entries + row_ends[e];
            if (e + 2 < end) {
                const char *next = (const char *)(co_entries + co_indptr[row_co[e + 2]]);
                __builtin_prefetch(next);
                __builtin_prefetch(next + 64);
                __builtin_prefetch(next + 128);
                __builtin_prefetch(next + 192);
            }
#define ADD(word) \
    do { \
        sums_t *own = (sums_t *)((char *)sums + ((word) & ~15u)); \
        sums_t term = *(const sums_t *)(terms + (((word) & 15) << 4)); \
        FIRST(term); \
        *own = term + *own; \
    } while (0)
            for (; last - entry >= 4; entry += 4) {
                const uint32_t a = entry[0], b = entry[1], c = entry[2], d = entry[3];
                ADD(a);
                ADD(b);
                ADD(c);
                ADD(d);
            }
            for (; entry < last; entry++) ADD(*entry);
        }
        checksum += sums[0];
    }
    return checksum;
}

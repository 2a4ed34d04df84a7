/* Memory in files that have no name: NumPy arrays of which only a part need be in memory.
 *
 * An allocation of at least `threshold` bytes is a shared mapping of a file that is unlinked at once. A thread
 * removes pages of such mappings from the process when its resident size comes near to a limit: shared pages
 * lose nothing thereby, they are in the system's cache of the file or, when memory is short, on the disk.
 */
#ifndef CFCORE_MAPPED_H
#define CFCORE_MAPPED_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

typedef struct {
    size_t threshold;
    char folder[];
} cfcore_place;

#if defined(_WIN32)
#define CFCORE_HAS_MAPPED 0
static void *cfcore_map_file(int fd, size_t size) { (void)fd; (void)size; return NULL; }
static void cfcore_unmap(void *base) { (void)base; }
static int cfcore_set_limit(size_t limit) { (void)limit; return -1; }
static size_t cfcore_resident(void) { return 0; }
static size_t cfcore_mapped_bytes(void) { return 0; }
static int cfcore_last_errno(void) { return 0; }
static void *cfcore_data_malloc(void *ctx, size_t size) { (void)ctx; return malloc(size ? size : 1); }
static void *cfcore_data_calloc(void *ctx, size_t n, size_t size) { (void)ctx; return calloc(n, size); }
static void *cfcore_data_realloc(void *ctx, void *held, size_t size) { (void)ctx; return realloc(held, size); }
static void cfcore_data_free(void *ctx, void *held, size_t size) { (void)ctx; (void)size; free(held); }
#else
#define CFCORE_HAS_MAPPED 1
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

typedef struct cfcore_mapping {
    struct cfcore_mapping *next;
    void *base;
    size_t size;
    int fd, protection; /* -1 where the file has been closed */
    unsigned visited;
} cfcore_mapping;

/* Nanoseconds between two looks at the resident size: at the rate of page faults, some megabytes. */
#define CFCORE_PAUSE 1000000
/* Passes over the mappings at a time; in the last one small ones are among them. */
#define CFCORE_PASSES 4
/* Bytes by which a process may grow between two looks. */
#define CFCORE_ROOM ((size_t)96 << 20)
/* Bytes of a mapping whose file stays open, and how many do at most: a process may have about a thousand. */
#define CFCORE_LARGE ((size_t)1 << 22)
#define CFCORE_OPEN 128

static pthread_mutex_t cfcore_lock = PTHREAD_MUTEX_INITIALIZER;
static cfcore_mapping *cfcore_mappings = NULL;
static size_t cfcore_limit = 0, cfcore_next = 0, cfcore_total = 0;
static int cfcore_watching = 0, cfcore_errno = 0, cfcore_n_open = 0;

/* Bytes of the process that are in memory; 0 where the system does not tell. */
static size_t cfcore_resident(void) {
    size_t pages = 0;
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return 0;
    text[n] = 0;
    const char *second = strchr(text, ' ');
    if (second != NULL) pages = (size_t)strtoull(second, NULL, 10);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Remove the pages of a mapping from the process. */
static void cfcore_remove_pages(cfcore_mapping *one) {
#ifdef __linux__
    /* The same mapping again, in place of the old one, under a lock that page faults of other threads wait for:
       to remove pages beside these faults takes as long as these take to bring others. */
    if (one->fd >= 0 && mmap(one->base, one->size, one->protection, MAP_SHARED | MAP_FIXED, one->fd, 0) != MAP_FAILED)
        return;
#endif
    madvise(one->base, one->size, MADV_DONTNEED);
}

/* The resident size from which on pages are removed: a quarter below the limit, and more below a small one. */
static size_t cfcore_first(size_t limit) {
    const size_t small = limit / 2 < CFCORE_ROOM ? limit / 2 : CFCORE_ROOM;
    return limit - (small > limit / 4 ? small : limit / 4);
}

/* Remove pages from the process, those of the largest mappings first. It begins well below the limit, because
   other threads go on meanwhile; but not at once again where the rest of the process takes much of the limit.
   Where they bring pages back as fast, small mappings are not worth the time: large ones are removed again. */
static void cfcore_trim(void) {
    static unsigned round = 0;
    const size_t first = cfcore_first(cfcore_limit), most = cfcore_limit - cfcore_limit / 8;
    size_t resident = cfcore_resident();
    if (resident ? resident < cfcore_next : cfcore_total < cfcore_limit) return;
    for (int pass = 0; pass < CFCORE_PASSES; pass++) {
        const size_t least = pass < CFCORE_PASSES - 1 ? cfcore_limit / 64 : 0;
        round++;
        for (;;) {
            cfcore_mapping *largest = NULL;
            for (cfcore_mapping *one = cfcore_mappings; one != NULL; one = one->next)
                if (one->visited != round && one->size >= least && (largest == NULL || one->size > largest->size))
                    largest = one;
            if (largest == NULL) break;
            largest->visited = round;
            cfcore_remove_pages(largest);
            resident = cfcore_resident();
            if (resident && resident < first / 4 * 3) break;
        }
        if (resident && resident < cfcore_next) break;
    }
    cfcore_next = resident + cfcore_limit / 16;
    if (cfcore_next < first) cfcore_next = first;
    if (cfcore_next > most) cfcore_next = most;
}

static void *cfcore_watch(void *unused) {
    const struct timespec pause = {0, CFCORE_PAUSE};
    (void)unused;
#ifdef __linux__
    setpriority(PRIO_PROCESS, 0, -10);  /* of this thread; where that is not allowed, it stays as it is */
#endif
    for (;;) {
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&cfcore_lock);
        if (cfcore_mappings == NULL || cfcore_limit == 0) {  /* the next mapping starts one again */
            cfcore_watching = 0;
            pthread_mutex_unlock(&cfcore_lock);
            return NULL;
        }
        cfcore_trim();
        pthread_mutex_unlock(&cfcore_lock);
    }
}

/* Start the thread unless it runs; the lock is held. */
static void cfcore_start(void) {
    pthread_t thread;
    pthread_attr_t attributes;
    if (cfcore_watching || cfcore_limit == 0 || cfcore_mappings == NULL) return;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    cfcore_watching = pthread_create(&thread, &attributes, cfcore_watch, NULL) == 0;
    pthread_attr_destroy(&attributes);
}

static void cfcore_before_fork(void) { pthread_mutex_lock(&cfcore_lock); }
static void cfcore_after_fork(void) { pthread_mutex_unlock(&cfcore_lock); }
static void cfcore_in_child(void) {  /* which has no thread but the one that forked */
    cfcore_watching = 0;
    cfcore_start();
    pthread_mutex_unlock(&cfcore_lock);
}

static int cfcore_set_limit(size_t limit) {
    static int prepared = 0;
    pthread_mutex_lock(&cfcore_lock);
    cfcore_limit = limit;
    cfcore_next = cfcore_first(limit);
    cfcore_errno = 0;
    cfcore_start();
    pthread_mutex_unlock(&cfcore_lock);
    if (!prepared) pthread_atfork(cfcore_before_fork, cfcore_after_fork, cfcore_in_child);
    prepared = 1;
    return 0;
}

static size_t cfcore_mapped_bytes(void) { return cfcore_total; }
static int cfcore_last_errno(void) { return cfcore_errno; }

static void *cfcore_mapping_of(int fd, size_t size, int protection) {
    cfcore_mapping *entry = (cfcore_mapping *)malloc(sizeof *entry);
    void *base = entry == NULL ? MAP_FAILED : mmap(NULL, size, protection, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        cfcore_errno = errno;
        free(entry);
        return NULL;
    }
    entry->base = base;
    entry->size = size;
    entry->fd = -1;
    entry->protection = protection;
    entry->visited = 0;
    pthread_mutex_lock(&cfcore_lock);
    if (size >= CFCORE_LARGE && cfcore_n_open < CFCORE_OPEN) entry->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    cfcore_n_open += entry->fd >= 0;
    entry->next = cfcore_mappings;
    cfcore_mappings = entry;
    cfcore_total += size;
    cfcore_start();
    pthread_mutex_unlock(&cfcore_lock);
    return base;
}

/* Map an open file for reading. */
static void *cfcore_map_file(int fd, size_t size) { return cfcore_mapping_of(fd, size, PROT_READ); }

/* Size of the mapping at an address, 0 if there is none; with `remove`, unmap it. */
static size_t cfcore_found(void *base, int remove) {
    size_t size = 0;
    pthread_mutex_lock(&cfcore_lock);
    for (cfcore_mapping **at = &cfcore_mappings; *at != NULL; at = &(*at)->next) {
        cfcore_mapping *entry = *at;
        if (entry->base != base) continue;
        size = entry->size;
        if (remove) {
            *at = entry->next;
            cfcore_total -= size;
            if (entry->fd >= 0) {
                close(entry->fd);
                cfcore_n_open--;
            }
            munmap(base, size);  /* under the lock: the address may be another mapping's at once */
            free(entry);
        }
        break;
    }
    pthread_mutex_unlock(&cfcore_lock);
    return size;
}

static void cfcore_unmap(void *base) { if (base != NULL) cfcore_found(base, 1); }

static int cfcore_unnamed_file(const char *folder) {
    int fd = -1;
#ifdef O_TMPFILE
    fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
#endif
    char *path = (char *)malloc(strlen(folder) + 32);
    if (path == NULL) return -1;
    sprintf(path, "%s/.cfcore-memory-XXXXXX", folder);
    fd = mkstemp(path);
    if (fd >= 0) unlink(path);
    free(path);
    return fd;
}

static void *cfcore_new_mapping(const cfcore_place *place, size_t size) {
    void *base = NULL;
    int fd = cfcore_unnamed_file(place->folder), failed;
    if (fd < 0) {
        cfcore_errno = errno;
        return NULL;
    }
    failed = ftruncate(fd, (off_t)size);
#ifdef __linux__
    /* Reserved now: a write to a page for which the disk has no room would end the process. */
    if (!failed && fallocate(fd, 0, 0, (off_t)size) != 0 && errno != EOPNOTSUPP && errno != ENOSYS) failed = 1;
#endif
    if (failed) cfcore_errno = errno;
    else base = cfcore_mapping_of(fd, size, PROT_READ | PROT_WRITE);
    close(fd);
    return base;
}

static void *cfcore_data_malloc(void *ctx, size_t size) {
    const cfcore_place *place = (const cfcore_place *)ctx;
    return size >= place->threshold ? cfcore_new_mapping(place, size) : malloc(size ? size : 1);
}

static void *cfcore_data_calloc(void *ctx, size_t n, size_t size) {
    const cfcore_place *place = (const cfcore_place *)ctx;
    if (size && n > (size_t)-1 / size) return NULL;
    return n * size >= place->threshold ? cfcore_new_mapping(place, n * size) : calloc(n ? n : 1, size ? size : 1);
}

static void cfcore_data_free(void *ctx, void *held, size_t size) {
    (void)ctx; (void)size;
    if (held == NULL) return;
    if (((uintptr_t)held & 4095) == 0 && cfcore_found(held, 1)) return;
    free(held);
}

static void *cfcore_data_realloc(void *ctx, void *held, size_t size) {
    size_t before = held != NULL && ((uintptr_t)held & 4095) == 0 ? cfcore_found(held, 0) : 0;
    if (!before) return realloc(held, size ? size : 1);  /* a block of the heap stays there */
    void *other = cfcore_data_malloc(ctx, size);
    if (other == NULL) return NULL;
    memcpy(other, held, before < size ? before : size);
    cfcore_data_free(ctx, held, before);
    return other;
}
#endif
#endif

/* Counts what a process does to its files into the one that SYNC_COUNT_FILE names: the calls of fsync and fdatasync,
 * then the file locks that it takes (8 bytes each, native order). A benchmark can say with it how many syncs a unit of
 * work costs; and since SQLite takes a lock for every statement outside a transaction, whether there were statements.
 * Loaded with LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SYNCS, LOCKS, COUNTERS };

static _Atomic uint64_t *counters;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("SYNC_COUNT_FILE");
    if (path == NULL) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *page = mmap(NULL, COUNTERS * sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) counters = page;
}

static void count(int what) {
    if (counters != NULL) atomic_fetch_add(&counters[what], 1);
}

static int synced(const char *name, int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    count(SYNCS);
    return real(file);
}

int fsync(int file) { return synced("fsync", file); }

int fdatasync(int file) { return synced("fdatasync", file); }

static int controlled(const char *name, int file, int command, void *argument) {
    int (*real)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, name);
    if (command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW) count(LOCKS);
    return real(file, command, argument);
}

/* Whatever the third argument is, it is passed as a pointer is. */
int fcntl(int file, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return controlled("fcntl", file, command, argument);
}

int fcntl64(int file, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return controlled("fcntl64", file, command, argument);
}

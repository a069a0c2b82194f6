/* A disk that forgets: keeps what is needed to set files back to what had been synced, as a loss of power would.
 *
 * Loaded with LD_PRELOAD into every process that writes below FORGET_DIR, it keeps in FORGET_STATE (outside of
 * FORGET_DIR, on the same file system):
 *
 *   <inode>.file  a hard link, so that a file outlives its names and no inode is used again
 *   <inode>.undo  what each write since the last sync overwrote: {offset, length, size before} and the old bytes,
 *                 written before the write is let through and emptied when the file was synced
 *   names         creations, renames and removals that neither their directory nor their file was synced after
 *   control       eight words that the test and the processes share: see CONTROL_*
 *
 * The same source, built with -DRESTORE, is the program that sets the files back:
 *
 *   restore FORGET_STATE [seed]
 *
 * Without a seed everything unsynced is forgotten. With one, each file keeps a random prefix of its unsynced writes,
 * as a disk does that was writing behind.
 *
 * Any number of processes may be loaded at once; a lock orders them. What it does not see: writes through mmap
 * (SQLite's -shm is removed on restore; nothing in it need survive), stdio, copy_file_range and sendfile;
 * directories that were made stay. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct undo {
    uint64_t offset;
    uint64_t length;
    uint64_t size;
};

static void die(const char *doing) {
    char text[256];
    int length = snprintf(text, sizeof text, "forget: failed to %s: %s\n", doing, strerror(errno));
    if (length > 0) syscall(SYS_write, 2, text, (size_t)length);
    _exit(99);
}

/* Everything below calls the kernel itself, so that nothing is intercepted twice. */
static int sys_open(const char *path, int flags, int mode) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

__attribute__((unused)) static void put_all(int file, const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t put = syscall(SYS_write, file, at, length);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) die("write the journal");
        at += put;
        length -= (size_t)put;
    }
}

static char *read_all(const char *path, size_t *length) {
    *length = 0;
    int file = sys_open(path, O_RDONLY, 0);
    if (file < 0) return NULL;
    struct stat status;
    if (fstat(file, &status) != 0) die("look at a journal");
    size_t size = (size_t)status.st_size;
    char *bytes = malloc(size + 1);
    if (bytes == NULL) die("find memory");
    while (*length < size) {
        ssize_t got = pread(file, bytes + *length, size - *length, (off_t)*length);
        if (got < 0) die("read a journal");
        if (got == 0) break;
        *length += (size_t)got;
    }
    bytes[*length] = 0;
    close(file);
    return bytes;
}

#ifdef RESTORE

#include <dirent.h>

static uint64_t state_of_chance;

static uint64_t chance(void) {
    /* splitmix64 */
    uint64_t z = (state_of_chance += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static long undone, kept;

static void undo_file(const char *journal, const char *linked, int keeps) {
    size_t length;
    char *bytes = read_all(journal, &length);
    if (bytes == NULL) return;
    size_t count = 0, room = 64, at = 0;
    size_t *starts = malloc(room * sizeof *starts);
    if (starts == NULL) die("find memory");
    while (at + sizeof(struct undo) <= length) {
        struct undo undo;
        memcpy(&undo, bytes + at, sizeof undo);
        /* A record that is cut off: the write that it was for was not made. */
        if (undo.length > length - at - sizeof undo) break;
        if (count == room) {
            starts = realloc(starts, (room *= 2) * sizeof *starts);
            if (starts == NULL) die("find memory");
        }
        starts[count++] = at;
        at += sizeof undo + undo.length;
    }
    size_t keep = keeps && count > 0 ? (size_t)(chance() % (count + 1)) : 0;
    kept += (long)keep;
    undone += (long)(count - keep);
    int file = sys_open(linked, O_RDWR, 0);
    if (file < 0) die("open a file to undo its writes");
    while (count > keep) {
        struct undo undo;
        memcpy(&undo, bytes + starts[--count], sizeof undo);
        size_t done = 0;
        while (done < undo.length) {
            ssize_t put = pwrite(file, bytes + starts[count] + sizeof undo + done, undo.length - done,
                                 (off_t)(undo.offset + done));
            if (put <= 0) die("write back what a write overwrote");
            done += (size_t)put;
        }
        if (ftruncate(file, (off_t)undo.size) != 0) die("set a size back");
    }
    close(file);
    free(starts);
    free(bytes);
}

static void undo_names(const char *state) {
    char path[PATH_MAX * 2];
    snprintf(path, sizeof path, "%s/names", state);
    size_t length;
    char *text = read_all(path, &length);
    if (text == NULL) return;
    size_t count = 0;
    for (size_t i = 0; i < length; i++) count += text[i] == '\n';
    char **lines = calloc(count + 1, sizeof *lines);
    if (lines == NULL) die("find memory");
    char *at = text;
    /* A line without its end is of a change that was not made. */
    for (size_t i = 0; i < count; i++) {
        char *end = strchr(at, '\n');
        *end = 0;
        lines[i] = at;
        at = end + 1;
    }
    while (count-- > 0) {
        char kind = 0, from[PATH_MAX] = "", to[PATH_MAX] = "";
        unsigned long inode = 0, directory = 0, other = 0, replaced = 0;
        int found = sscanf(lines[count], "%c\t%lu\t%lu\t%lu\t%lu\t%4095[^\t]\t%4095[^\t]", &kind, &inode, &directory,
                           &other, &replaced, from, to);
        if (found < 6) die("read the journal of names");
        struct stat status;
        switch (kind) {
        case 'C':
            if (lstat(from, &status) == 0 && status.st_ino == inode && unlink(from) != 0) die("undo a creation");
            break;
        case 'U':
            snprintf(path, sizeof path, "%s/%lu.file", state, inode);
            if (link(path, from) != 0 && errno != EEXIST) die("undo a removal");
            break;
        case 'R':
            if (lstat(to, &status) == 0 && status.st_ino == inode && rename(to, from) != 0) die("undo a rename");
            snprintf(path, sizeof path, "%s/%lu.file", state, replaced);
            if (replaced != 0 && link(path, to) != 0 && errno != EEXIST) die("give a replaced file its name back");
            break;
        default:
            die("know a line of the journal of names");
        }
        undone++;
    }
    free(lines);
    free(text);
}

static int ends(const char *text, const char *end) {
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static void each(const char *folder, void (*act)(const char *folder, const char *name)) {
    DIR *dir = opendir(folder);
    if (dir == NULL) die("list a folder");
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) act(folder, entry->d_name);
    }
    closedir(dir);
}

static int keeps_some;

static void undo_one(const char *folder, const char *name) {
    if (!ends(name, ".undo")) return;
    char journal[PATH_MAX * 2], linked[PATH_MAX * 2];
    snprintf(journal, sizeof journal, "%s/%s", folder, name);
    snprintf(linked, sizeof linked, "%s/%.*s.file", folder, (int)(strlen(name) - 5), name);
    undo_file(journal, linked, keeps_some);
}

static void forget_one(const char *folder, const char *name) {
    char path[PATH_MAX * 2];
    if (!ends(name, ".undo") && !ends(name, ".file") && strcmp(name, "names") != 0) return;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (unlink(path) != 0) die("forget a journal");
}

static void remove_shm(const char *folder, const char *name) {
    char path[PATH_MAX * 2];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (lstat(path, &status) != 0) return;
    if (S_ISDIR(status.st_mode)) each(path, remove_shm);
    else if (ends(name, "-shm") && unlink(path) != 0) die("remove shared memory");
}

int main(int count, char **words) {
    const char *dir = getenv("FORGET_DIR");
    if (count < 2 || dir == NULL) {
        fputs("FORGET_DIR=… restore FORGET_STATE [seed]\n", stderr);
        return 2;
    }
    keeps_some = count > 2;
    if (keeps_some) state_of_chance = strtoull(words[2], NULL, 10);
    each(words[1], undo_one);
    undo_names(words[1]);
    each(words[1], forget_one);
    each(dir, remove_shm);
    printf("%ld undone, %ld kept\n", undone, kept);
    return 0;
}

#else

/* The words of `control`, 8 bytes each in the machine's order. */
enum {
    CONTROL_SYNCS,     /* syncs of files, counted */
    CONTROL_FAIL_SYNC, /* the sync of this number fails with EIO, and with it all after; 0: none */
    CONTROL_LIMITED,   /* not 0: the next word counts */
    CONTROL_ROOM,      /* bytes by which files may yet grow; beyond, writes fail with ENOSPC */
    CONTROL_REFUSED,   /* writes that failed so */
    CONTROL_WORDS = 8
};

static char root[PATH_MAX], state[PATH_MAX];
static _Atomic uint64_t *control;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *dir = getenv("FORGET_DIR"), *side = getenv("FORGET_STATE");
    if (dir == NULL || side == NULL) return;
    char path[PATH_MAX * 2];
    if (realpath(side, state) == NULL) die("find FORGET_STATE");
    snprintf(path, sizeof path, "%s/control", state);
    int file = sys_open(path, O_RDWR | O_CREAT, 0600);
    struct stat status;
    size_t length = CONTROL_WORDS * sizeof *control;
    if (file < 0 || fstat(file, &status) != 0) die("open the control file");
    if ((size_t)status.st_size < length && syscall(SYS_ftruncate, file, (off_t)length) != 0) die("make the control file");
    control = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (control == MAP_FAILED) die("share the control file");
    close(file);
    if (realpath(dir, root) == NULL) die("find FORGET_DIR");
}

static int lock(void) {
    char path[PATH_MAX * 2];
    pthread_mutex_lock(&mutex);
    snprintf(path, sizeof path, "%s/lock", state);
    int file = sys_open(path, O_RDWR | O_CREAT, 0600);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (file < 0) die("open the lock");
    while (fcntl(file, F_SETLKW, &whole) != 0) {
        if (errno != EINTR) die("take the lock");
    }
    return file;
}

static void unlock(int file) {
    int before = errno;
    close(file);
    pthread_mutex_unlock(&mutex);
    errno = before;
}

static int is_below(const char *path) {
    size_t length = strlen(root);
    return length > 0 && strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* SQLite's -shm is shared memory, and what was removed has no name to come back to. */
static int counts(const char *path) {
    size_t length = strlen(path);
    if (length > 4 && strcmp(path + length - 4, "-shm") == 0) return 0;
    return length <= 10 || strcmp(path + length - 10, " (deleted)") != 0;
}

/* The path of an open file, if it counts. */
static int path_of(int file, char *path) {
    char name[64];
    if (root[0] == 0 || file < 0) return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, name, path, (size_t)(PATH_MAX - 1));
    if (length <= 0) return 0;
    path[length] = 0;
    return is_below(path) && counts(path);
}

/* The path that a name means, whether or not there is a file, if it counts. */
static int path_at(int dir, const char *name, char *path) {
    if (root[0] == 0 || name == NULL) return 0;
    char whole[PATH_MAX * 2], folder[PATH_MAX];
    if (name[0] == '/' || dir == AT_FDCWD) {
        snprintf(whole, sizeof whole, "%s", name);
    } else {
        char link[64], base[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, base, sizeof base - 1);
        if (length <= 0) return 0;
        base[length] = 0;
        snprintf(whole, sizeof whole, "%s/%s", base, name);
    }
    char *slash = strrchr(whole, '/');
    const char *last = slash == NULL ? whole : slash + 1;
    char kept[NAME_MAX + 1];
    if (snprintf(kept, sizeof kept, "%s", last) >= (int)sizeof kept) return 0;
    if (slash == NULL) snprintf(whole, sizeof whole, ".");
    else if (slash == whole) whole[1] = 0;
    else *slash = 0;
    if (kept[0] == 0 || realpath(whole, folder) == NULL) return 0;
    if (snprintf(path, PATH_MAX, "%s/%s", folder, kept) >= PATH_MAX) return 0;
    return is_below(path) && counts(path);
}

static unsigned long inode_of(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0 ? (unsigned long)status.st_ino : 0;
}

static unsigned long folder_of(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) *slash = 0;
    return inode_of(folder);
}

/* Keeps a file alive whatever becomes of its names. */
static void hold(const char *path, unsigned long inode) {
    char linked[PATH_MAX * 2];
    snprintf(linked, sizeof linked, "%s/%lu.file", state, inode);
    if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, linked, 0) != 0 && errno != EEXIST) die("hold on to a file");
}

static void note_name(char kind, unsigned long inode, unsigned long directory, unsigned long other,
                      unsigned long replaced, const char *from, const char *to) {
    char path[PATH_MAX * 2], line[PATH_MAX * 3];
    snprintf(path, sizeof path, "%s/names", state);
    int length = snprintf(line, sizeof line, "%c\t%lu\t%lu\t%lu\t%lu\t%s\t%s\n", kind, inode, directory, other, replaced,
                          from, to);
    int file = sys_open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (file < 0) die("open the journal of names");
    put_all(file, line, (size_t)length);
    close(file);
}

/* Drops what is durable once this file or directory was synced. */
static void forget_names(unsigned long synced) {
    char path[PATH_MAX * 2], draft[PATH_MAX * 2];
    snprintf(path, sizeof path, "%s/names", state);
    size_t length;
    char *text = read_all(path, &length);
    if (text == NULL) return;
    snprintf(draft, sizeof draft, "%s/names.new", state);
    int file = sys_open(draft, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0) die("write the journal of names anew");
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        char kind = 0;
        unsigned long inode = 0, directory = 0, other = 0;
        sscanf(line, "%c\t%lu\t%lu\t%lu", &kind, &inode, &directory, &other);
        int gone = directory == synced || other == synced || (kind != 'U' && inode == synced);
        if (!gone) put_all(file, line, (size_t)(end + 1 - line));
    }
    close(file);
    free(text);
    if (syscall(SYS_renameat2, AT_FDCWD, draft, AT_FDCWD, path, 0) != 0) die("replace the journal of names");
}

/* Keeps what a change of these bytes will overwrite. */
static void note_bytes(const char *path, uint64_t offset, uint64_t length) {
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) return;
    uint64_t size = (uint64_t)status.st_size;
    uint64_t old = offset >= size ? 0 : (length < size - offset ? length : size - offset);
    hold(path, (unsigned long)status.st_ino);
    struct undo *undo = malloc(sizeof *undo + old);
    if (undo == NULL) die("find memory");
    *undo = (struct undo){.offset = offset, .length = old, .size = size};
    if (old > 0) {
        int file = sys_open(path, O_RDONLY, 0);
        if (file < 0) die("read what will be overwritten");
        for (uint64_t done = 0; done < old;) {
            ssize_t got = pread(file, (char *)(undo + 1) + done, old - done, (off_t)(offset + done));
            if (got <= 0) die("read what will be overwritten");
            done += (uint64_t)got;
        }
        close(file);
    }
    char journal[PATH_MAX * 2];
    snprintf(journal, sizeof journal, "%s/%lu.undo", state, (unsigned long)status.st_ino);
    int file = sys_open(journal, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (file < 0) die("open a journal");
    put_all(file, undo, sizeof *undo + old);
    close(file);
    free(undo);
}

/* Whether the disk has room for a write that ends here. */
static int has_room(const char *path, uint64_t end) {
    struct stat status;
    if (control[CONTROL_LIMITED] == 0 || stat(path, &status) != 0) return 1;
    uint64_t size = (uint64_t)status.st_size, more = end > size ? end - size : 0;
    if (more > control[CONTROL_ROOM]) {
        atomic_fetch_add(&control[CONTROL_REFUSED], 1);
        errno = ENOSPC;
        return 0;
    }
    atomic_fetch_sub(&control[CONTROL_ROOM], more);
    return 1;
}

/* What goes before a write: 0 if it must not be made. */
static int before_write(const char *path, int file, off_t offset, size_t length) {
    struct stat status;
    int flags = fcntl(file, F_GETFL);
    if (offset < 0) offset = lseek(file, 0, SEEK_CUR);
    if (flags >= 0 && (flags & O_APPEND) && fstat(file, &status) == 0) offset = status.st_size;
    if (offset < 0) return 1;
    if (!has_room(path, (uint64_t)offset + length)) return 0;
    note_bytes(path, (uint64_t)offset, length);
    return 1;
}

static size_t total(const struct iovec *parts, int count) {
    size_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    return length;
}

#define GUARDED(file, offset, length, call)                                                                           \
    char path[PATH_MAX];                                                                                              \
    if (!path_of(file, path)) return call;                                                                            \
    int held = lock();                                                                                                \
    ssize_t done = before_write(path, file, offset, length) ? (ssize_t)call : -1;                                     \
    unlock(held);                                                                                                     \
    return done

ssize_t write(int file, const void *bytes, size_t length) {
    GUARDED(file, -1, length, syscall(SYS_write, file, bytes, length));
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset) {
    GUARDED(file, offset, length, syscall(SYS_pwrite64, file, bytes, length, offset));
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset) {
    return pwrite64(file, bytes, length, offset);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    GUARDED(file, -1, total(parts, count), syscall(SYS_writev, file, parts, count));
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t offset) {
    GUARDED(file, offset, total(parts, count), syscall(SYS_pwritev, file, parts, count, offset, 0));
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    return pwritev64(file, parts, count, offset);
}

ssize_t pwritev64v2(int file, const struct iovec *parts, int count, off64_t offset, int flags) {
    GUARDED(file, offset, total(parts, count), syscall(SYS_pwritev2, file, parts, count, offset, 0, flags));
}

ssize_t pwritev2(int file, const struct iovec *parts, int count, off_t offset, int flags) {
    return pwritev64v2(file, parts, count, offset, flags);
}

static int cut(const char *path, off64_t size) {
    struct stat status;
    if (stat(path, &status) != 0) return 1;
    if (!has_room(path, (uint64_t)size)) return 0;
    uint64_t rest = status.st_size > size ? (uint64_t)(status.st_size - size) : 0;
    note_bytes(path, (uint64_t)size, rest);
    return 1;
}

int ftruncate64(int file, off64_t size) {
    char path[PATH_MAX];
    if (!path_of(file, path)) return (int)syscall(SYS_ftruncate, file, size);
    int held = lock();
    int done = cut(path, size) ? (int)syscall(SYS_ftruncate, file, size) : -1;
    unlock(held);
    return done;
}

int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

int truncate64(const char *name, off64_t size) {
    char path[PATH_MAX];
    if (!path_at(AT_FDCWD, name, path)) return (int)syscall(SYS_truncate, name, size);
    int held = lock();
    int done = cut(path, size) ? (int)syscall(SYS_truncate, name, size) : -1;
    unlock(held);
    return done;
}

int truncate(const char *name, off_t size) { return truncate64(name, size); }

int fallocate64(int file, int mode, off64_t offset, off64_t length) {
    GUARDED(file, offset, (size_t)length, (int)syscall(SYS_fallocate, file, mode, offset, length));
}

int fallocate(int file, int mode, off_t offset, off_t length) { return fallocate64(file, mode, offset, length); }

int posix_fallocate64(int file, off64_t offset, off64_t length) {
    return fallocate64(file, 0, offset, length) == 0 ? 0 : errno;
}

int posix_fallocate(int file, off_t offset, off_t length) { return posix_fallocate64(file, offset, length); }

static int synced(int file, long number) {
    char path[PATH_MAX], journal[PATH_MAX * 2];
    if (!path_of(file, path)) return (int)syscall(number, file);
    int held = lock(), done = -1;
    uint64_t turn = atomic_fetch_add(&control[CONTROL_SYNCS], 1) + 1, fails = control[CONTROL_FAIL_SYNC];
    if (fails != 0 && turn >= fails) errno = EIO;
    else done = (int)syscall(number, file);
    struct stat status;
    if (done == 0 && fstat(file, &status) == 0) {
        snprintf(journal, sizeof journal, "%s/%lu.undo", state, (unsigned long)status.st_ino);
        int emptied = sys_open(journal, O_WRONLY | O_TRUNC, 0);
        if (emptied >= 0) close(emptied);
        forget_names((unsigned long)status.st_ino);
    }
    unlock(held);
    return done;
}

int fsync(int file) { return synced(file, SYS_fsync); }

int fdatasync(int file) { return synced(file, SYS_fdatasync); }

static int opened(int dir, const char *name, int flags, int mode) {
    char path[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !path_at(dir, name, path)) {
        return (int)syscall(SYS_openat, dir, name, flags, mode);
    }
    int held = lock();
    unsigned long before = inode_of(path);
    if (before != 0 && (flags & O_TRUNC) && !(flags & O_EXCL)) cut(path, 0);
    int file = (int)syscall(SYS_openat, dir, name, flags, mode);
    if (file >= 0 && before == 0) {
        unsigned long inode = inode_of(path);
        hold(path, inode);
        note_name('C', inode, folder_of(path), 0, 0, path, "");
    }
    unlock(held);
    return file;
}

static int mode_of(int flags, va_list rest) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, int) : 0;
}

#define OPENER(name, ...)                                                                                             \
    va_list rest;                                                                                                     \
    va_start(rest, flags);                                                                                            \
    int mode = mode_of(flags, rest);                                                                                  \
    va_end(rest);                                                                                                     \
    return opened(__VA_ARGS__, name, flags, mode)

int open(const char *name, int flags, ...) { OPENER(name, AT_FDCWD); }

int open64(const char *name, int flags, ...) { OPENER(name, AT_FDCWD); }

int openat(int dir, const char *name, int flags, ...) { OPENER(name, dir); }

int openat64(int dir, const char *name, int flags, ...) { OPENER(name, dir); }

int creat(const char *name, mode_t mode) {
    return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, (int)mode);
}

int creat64(const char *name, mode_t mode) { return creat(name, mode); }

static int renamed(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    char source[PATH_MAX], target[PATH_MAX];
    if (!path_at(from_dir, from, source) || !path_at(to_dir, to, target)) {
        return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    }
    int held = lock();
    unsigned long inode = inode_of(source), replaced = inode_of(target);
    struct stat status;
    int is_file = lstat(source, &status) == 0 && S_ISREG(status.st_mode);
    if (is_file) hold(source, inode);
    if (is_file && replaced != 0) hold(target, replaced);
    int done = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    if (done == 0 && is_file) {
        note_name('R', inode, folder_of(source), folder_of(target), replaced, source, target);
    }
    unlock(held);
    return done;
}

int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, 0); }

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    return renamed(from_dir, from, to_dir, to, 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    return renamed(from_dir, from, to_dir, to, flags);
}

static int removed(int dir, const char *name, int flags) {
    char path[PATH_MAX];
    if ((flags & AT_REMOVEDIR) || !path_at(dir, name, path)) return (int)syscall(SYS_unlinkat, dir, name, flags);
    int held = lock();
    unsigned long inode = inode_of(path);
    if (inode != 0) hold(path, inode);
    int done = (int)syscall(SYS_unlinkat, dir, name, flags);
    if (done == 0) note_name('U', inode, folder_of(path), 0, 0, path, "");
    unlock(held);
    return done;
}

int unlink(const char *name) { return removed(AT_FDCWD, name, 0); }

int unlinkat(int dir, const char *name, int flags) { return removed(dir, name, flags); }

int remove(const char *name) {
    struct stat status;
    int is_folder = lstat(name, &status) == 0 && S_ISDIR(status.st_mode);
    return removed(AT_FDCWD, name, is_folder ? AT_REMOVEDIR : 0);
}

#endif

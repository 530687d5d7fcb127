/* Preloaded into a process: its WAXWING_FAIL_SYNC-th fsync or fdatasync of a database file fails with EIO, once, as the
   kernel does it. Says so on standard output, with the name
   of the thread, between the acknowledgements before and whatever comes after.

   WAXWING_SYNCS_AFTERWARDS=none: the syncs after that one succeed without doing anything, as after the kernel has dropped
   the pages; a power cut then takes whatever was built on them.
   WAXWING_FAIL_SYNC_SILENTLY=1: the sync does nothing, and no error is returned: a disk that lies. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static atomic_int calls;

enum outcome { DONE, FAILED, SKIPPED };

static int is(const char *variable, const char *value) {
    const char *found = getenv(variable);
    return found && !strcmp(found, value);
}

static enum outcome interfere(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return DONE;
    path[length] = 0;
    const char *wanted = getenv("WAXWING_FAIL_SYNC");
    if (!wanted || !strstr(path, "waxwing.db"))
        return DONE;
    int call = ++calls;
    if (call > atoi(wanted) && is("WAXWING_SYNCS_AFTERWARDS", "none"))
        return SKIPPED;
    if (call != atoi(wanted))
        return DONE;
    char thread[17] = "", said[64];
    prctl(PR_GET_NAME, thread);
    int size = snprintf(said, sizeof said, "\nsync failed in %s\n", thread);
    if (write(1, said, size) < 0)
        abort();
    if (is("WAXWING_FAIL_SYNC_SILENTLY", "1"))
        return SKIPPED;
    errno = EIO;
    return FAILED;
}

static int sync_with(int (*real)(int), int file) {
    switch (interfere(file)) {
    case FAILED:
        return -1;
    case SKIPPED:
        return 0;
    default:
        return real(file);
    }
}

int fsync(int file) {
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return sync_with(real, file);
}

int fdatasync(int file) {
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return sync_with(real, file);
}

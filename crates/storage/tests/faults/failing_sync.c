/* Preloaded into a process: its WAXWING_FAIL_SYNC-th fsync or fdatasync of a database file fails with EIO, once, as the
   kernel does it. Says so on standard output, with the name
   of the thread, between the acknowledgements before and whatever comes after. */
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

static int fails(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    const char *wanted = getenv("WAXWING_FAIL_SYNC");
    if (!wanted || !strstr(path, "waxwing.db") || ++calls != atoi(wanted))
        return 0;
    char thread[17] = "", said[64];
    prctl(PR_GET_NAME, thread);
    int size = snprintf(said, sizeof said, "\nsync failed in %s\n", thread);
    if (write(1, said, size) < 0)
        abort();
    errno = EIO;
    return 1;
}

int fsync(int file) {
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return fails(file) ? -1 : real(file);
}

int fdatasync(int file) {
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return fails(file) ? -1 : real(file);
}

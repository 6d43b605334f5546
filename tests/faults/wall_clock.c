/* Sets the wall clock of one process and its children; the monotonic clock goes on as it does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <unistd.h>
/* The seconds by which the file CLOCK_OFFSET_FILE says that the wall clock is wrong. */
static long offset(void) {
    const char *path = getenv("CLOCK_OFFSET_FILE");
    long seconds = 0;
    FILE *file = path ? fopen(path, "re") : NULL;
    if (file) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
    return seconds;
}
int clock_gettime(clockid_t id, struct timespec *now) {
    int status = syscall(SYS_clock_gettime, id, now);
    if (!status && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
    return status;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec found; int status = clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec; now->tv_usec = found.tv_nsec / 1000; return status;
}
time_t time(time_t *into) {
    struct timespec found; clock_gettime(CLOCK_REALTIME, &found);
    if (into) *into = found.tv_sec;
    return found.tv_sec;
}

/* Preloaded into a process, it sets the wall clock that Python code sees back by CLOCK_SET_BACK seconds.
 *
 * Compiled parts of Ray keep the true one: they wait on it for moments in time, which the kernel takes for past. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_compiled_part_of_ray(void *caller) {
    static const char *const names[] = {"_raylet.so", "libstdc++", "raylet", "gcs_server"};
    Dl_info place;
    if (!dladdr(caller, &place) || !place.dli_fname) return 0;
    const char *slash = strrchr(place.dli_fname, '/'), *name = slash ? slash + 1 : place.dli_fname;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0) return 1;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    const char *seconds = getenv("CLOCK_SET_BACK");
    if (result == 0 && clock == CLOCK_REALTIME && seconds && !is_compiled_part_of_ray(__builtin_return_address(0)))
        now->tv_sec -= atol(seconds);
    return result;
}

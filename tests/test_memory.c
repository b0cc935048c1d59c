/* Limits of memory, from files as Linux writes them. */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "util/file.h"
#include "util/memory.h"

#define GIB (1024.0 * 1024 * 1024)

static const char machine[] = "MemTotal:        8388608 kB\nMemFree:         1048576 kB\n"
                              "MemAvailable:    6291456 kB\nSwapFree:        2097152 kB\n";

/* A file below the root that the test reads, and the folders that it stands in. */
static void put(struct scratch *s, const char *path, const char *text)
{
    char folder[256];
    snprintf(folder, sizeof folder, "%s", scratch_path(s, path));
    *strrchr(folder, '/') = '\0';
    assert_int_equal(cnn_make_directories(folder, NULL), CNN_OK);
    scratch_write(s, path, text, strlen(text));
}

static struct cnn_memory_room look(struct scratch *s)
{
    struct cnn_memory_room room;
    char root[256];
    snprintf(root, sizeof root, "%s", scratch_path(s, "root"));
    put(s, "root/proc/meminfo", machine);
    cnn_memory_room(root, &room);
    return room;
}

static void expect(const struct cnn_memory_room *room, double total, double available,
                   const char *limit)
{
    assert_true(room->total == total);
    assert_true(room->available == available);
    assert_string_equal(room->limit, limit);
}

static void test_room_is_the_machines_when_nothing_limits_it(void **state)
{
    struct scratch *s = *state;
    struct cnn_memory_room room = look(s);
    expect(&room, 8 * GIB, 6 * GIB, "the machine");
    assert_true(room.swap == 2 * GIB);
    put(s, "root/proc/self/cgroup", "0::/user.slice/a\n");
    put(s, "root/sys/fs/cgroup/user.slice/a/memory.max", "max\n");
    room = look(s);
    expect(&room, 8 * GIB, 6 * GIB, "the machine");
}

static void test_room_is_the_groups_when_version_2_limits_it(void **state)
{
    struct scratch *s = *state;
    put(s, "root/proc/self/cgroup", "0::/user.slice/a\n");
    put(s, "root/sys/fs/cgroup/user.slice/a/memory.max", "2147483648\n");
    put(s, "root/sys/fs/cgroup/user.slice/a/memory.current", "1073741824\n");
    put(s, "root/sys/fs/cgroup/user.slice/a/memory.stat",
        "anon 536870912\nfile 536870912\ninactive_file 536870912\n");
    struct cnn_memory_room room = look(s);
    expect(&room, 2 * GIB, 1.5 * GIB, "the control group");
    /* the group that it is part of has less */
    put(s, "root/sys/fs/cgroup/user.slice/memory.max", "1073741824\n");
    put(s, "root/sys/fs/cgroup/user.slice/memory.current", "805306368\n");
    room = look(s);
    expect(&room, 1 * GIB, 0.25 * GIB, "the control group");
}

/* In a container the path is the host's, and its own group stands at the root. */
static void test_room_is_the_groups_when_version_1_limits_it(void **state)
{
    struct scratch *s = *state;
    put(s, "root/proc/self/cgroup", "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/docker/1\n");
    put(s, "root/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
    put(s, "root/sys/fs/cgroup/memory/memory.usage_in_bytes", "134217728\n");
    struct cnn_memory_room room = look(s);
    expect(&room, 0.5 * GIB, 0.375 * GIB, "the control group");
    put(s, "root/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    room = look(s);
    expect(&room, 8 * GIB, 6 * GIB, "the machine");
}

static void test_room_is_the_address_space_when_that_is_limited(void **state)
{
    struct scratch *s = *state;
    struct rlimit before, limit;
    char statm[64];
#ifndef __has_feature /* clang's way to tell of sanitizers */
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    skip(); /* a sanitizer's shadow alone takes more than that */
#endif
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)(7 * GIB);
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        skip();
    snprintf(statm, sizeof statm, "%.0f 100 10 1 0 50 0\n", 3 * GIB / 4096);
    put(s, "root/proc/self/statm", statm);
    struct cnn_memory_room room = look(s);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    expect(&room, 7 * GIB, 4 * GIB, "ulimit -v");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_room_is_the_machines_when_nothing_limits_it,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_room_is_the_groups_when_version_2_limits_it,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_room_is_the_groups_when_version_1_limits_it,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_room_is_the_address_space_when_that_is_limited,
                                        scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

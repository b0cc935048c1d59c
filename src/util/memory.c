/* Limits of memory: /proc/meminfo, getrlimit, and the memory controller of control groups (Linux,
 * Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst). */
#include "util/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static const double unlimited = 1e18; /* version 1 says so with a number near 2^63 */

/* The number of the line that begins with key, or of the only line; otherwise where there is
 * none. */
static double read_number(const char *path, const char *key, double otherwise)
{
    char line[256];
    double number;
    size_t length = strlen(key);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, length) == 0 && sscanf(line + length, " %lf", &number) == 1) {
            otherwise = number;
            break;
        }
    if (file)
        fclose(file);
    return otherwise;
}

static void limit_add(struct cnn_memory_room *room, double total, double used, const char *limit)
{
    double left = total > used ? total - used : 0;
    if (total >= unlimited)
        return;
    if (total < room->total) {
        room->total = total;
        room->limit = limit;
    }
    room->available = left < room->available ? left : room->available;
}

static void machine_add(struct cnn_memory_room *room, const char *root)
{
    char path[PATH_BYTES];
    double present = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (present <= 0) /* the system does not say */
        present = (double)SIZE_MAX;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    present = read_number(path, "MemTotal:", present / 1024) * 1024;
    double available = read_number(path, "MemAvailable:", present / 1024) * 1024;
    room->swap = read_number(path, "SwapFree:", 0) * 1024;
    *room = (struct cnn_memory_room){present, available, room->swap, "the machine"};
}

static void address_space_add(struct cnn_memory_room *room, const char *root)
{
    char path[PATH_BYTES];
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    snprintf(path, sizeof path, "%s/proc/self/statm", root);
    double used = read_number(path, "", 0) * (double)sysconf(_SC_PAGESIZE);
    limit_add(room, (double)limit.rlim_cur, used, "ulimit -v");
}

/* The limit of one group: what its page cache holds can be had again. */
static void group_add(struct cnn_memory_room *room, const char *folder, bool second)
{
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", folder, second ? "memory.max" : "memory.limit_in_bytes");
    double total = read_number(path, "", unlimited);
    snprintf(path, sizeof path, "%s/%s", folder,
             second ? "memory.current" : "memory.usage_in_bytes");
    double used = read_number(path, "", 0);
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    used -= read_number(path, "inactive_file ", 0);
    limit_add(room, total, used > 0 ? used : 0, "the control group");
}

/* The group at path, and those that it is part of, up to the root. A container may see its own
 * group as the root, and a path that is not there. */
static void groups_add(struct cnn_memory_room *room, const char *root, const char *path,
                       bool second)
{
    char folder[PATH_BYTES];
    int base = snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s", root, second ? "" : "/memory");
    int length = snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s%s", root,
                          second ? "" : "/memory", path);
    if (base < 0 || length < base || length >= PATH_BYTES)
        return;
    for (;;) {
        char *slash = strrchr(folder, '/');
        group_add(room, folder, second);
        if (!slash || slash < folder + base)
            return;
        *slash = '\0';
    }
}

void cnn_memory_room(const char *root, struct cnn_memory_room *out)
{
    struct cnn_memory_room room = {0};
    char path[PATH_BYTES], line[PATH_BYTES];
    machine_add(&room, root);
    address_space_add(&room, root);
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        const char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        if (strncmp(line, "0:", 2) == 0)
            groups_add(&room, root, group, true);
        else if (strcmp(controllers + 1, "memory") == 0)
            groups_add(&room, root, group, false);
    }
    if (file)
        fclose(file);
    *out = room;
}

/* Sizes of caches: Linux, Documentation/ABI/testing/sysfs-devices-system-cpu. Elsewhere they are
 * assumed, about those of a small processor. */
#include "util/caches.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096, INDICES = 8 };

static const struct cnn_cache assumed[CNN_CACHE_LEVELS] = {
    {(size_t)32 << 10, 1}, {(size_t)512 << 10, 1}, {(size_t)8 << 20, 8}};

/* The first line of a file of the cache in `folder`; false: there is none. */
static bool read_line(const char *folder, const char *name, char *line, size_t size)
{
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    const bool read = file && fgets(line, (int)size, file);
    if (file)
        fclose(file);
    return read;
}

/* Processors of a list such as "0-3,8-11". */
static size_t count_processors(const char *list)
{
    size_t count = 0;
    unsigned first, last;
    int used;
    for (;;) {
        if (sscanf(list, "%u%n", &first, &used) != 1)
            return count;
        list += used;
        last = first;
        if (sscanf(list, "-%u%n", &last, &used) == 1)
            list += used;
        count += last >= first ? (size_t)last - first + 1 : 0;
        if (*list++ != ',')
            return count;
    }
}

/* The cache in `folder`, unless it holds instructions alone; its level, from 1 on, or 0. */
static unsigned read_cache(const char *folder, struct cnn_cache *out)
{
    char line[1024], unit = 'K';
    unsigned level = 0;
    unsigned long size = 0;
    if (!read_line(folder, "type", line, sizeof line) || strncmp(line, "Instruction", 11) == 0)
        return 0;
    if (!read_line(folder, "level", line, sizeof line) || sscanf(line, "%u", &level) != 1)
        return 0;
    if (!read_line(folder, "size", line, sizeof line) || sscanf(line, "%lu%c", &size, &unit) < 1)
        return 0;
    out->bytes = (size_t)size << (unit == 'M' ? 20 : unit == 'K' ? 10 : 0);
    out->sharers = 0;
    if (read_line(folder, "shared_cpu_list", line, sizeof line))
        out->sharers = count_processors(line);
    out->sharers += out->sharers == 0;
    return level <= CNN_CACHE_LEVELS && out->bytes > 0 ? level : 0;
}

void cnn_caches(const char *root, struct cnn_cache out[CNN_CACHE_LEVELS])
{
    struct cnn_cache found[CNN_CACHE_LEVELS] = {{0}};
    for (int i = 0; i < INDICES; i++) {
        char folder[PATH_BYTES];
        struct cnn_cache cache;
        snprintf(folder, sizeof folder, "%s/sys/devices/system/cpu/cpu0/cache/index%d", root, i);
        const unsigned level = read_cache(folder, &cache);
        if (level > 0)
            found[level - 1] = cache;
    }
    memcpy(out, found[0].bytes > 0 ? found : assumed, sizeof found);
}

size_t cnn_cache_room(const struct cnn_cache *cache, size_t threads, size_t processors)
{
    if (cache->bytes == 0)
        return 0;
    const size_t caches = processors > cache->sharers ? processors / cache->sharers : 1;
    return cache->bytes * (threads < caches ? threads : caches);
}

/* The data caches of this machine. */
#ifndef CNN_UTIL_CACHES_H
#define CNN_UTIL_CACHES_H

#include <stddef.h>

#define CNN_CACHE_LEVELS 3

struct cnn_cache {
    size_t bytes;   /* 0: there is no such level */
    size_t sharers; /* processors that share one, at least 1 where there is one */
};

/* Those of the first processor, from its folder below /sys; what the system does not say is
 * assumed. root: "", or a folder whose sys/ is read instead. */
void cnn_caches(const char *root, struct cnn_cache out[CNN_CACHE_LEVELS]);

/* Bytes that the caches of a level hold together which so many threads can use, on a machine of so
 * many processors. */
size_t cnn_cache_room(const struct cnn_cache *cache, size_t threads, size_t processors);

#endif

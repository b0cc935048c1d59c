/* A library for LD_PRELOAD: every block that posix_memalign gives ends where a page begins that
 * cannot be read or written, so that an access behind the end of an array of floats is caught at
 * once. With GUARD_FRONT in the environment blocks begin behind such a page instead. free() knows
 * these blocks by their range; their addresses are never given again, so that an access to what was
 * freed is caught, too. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

extern void __libc_free(void *block);

#define BASE   ((uintptr_t)0x100000000000)
#define PAGE   ((size_t)4096)
#define BLOCKS 16384 /* that live at a time; others stay mapped when they are freed */

static uintptr_t next = BASE;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    uintptr_t block, map;
    size_t size;
} blocks[BLOCKS];

static void remember(uintptr_t block, uintptr_t map, size_t size)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].block == 0) {
            blocks[i].block = block;
            blocks[i].map = map;
            blocks[i].size = size;
            break;
        }
    pthread_mutex_unlock(&lock);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    size_t rounded = (size + alignment - 1) / alignment * alignment;
    size_t pages = (rounded + PAGE - 1) / PAGE * PAGE;
    size_t slack = alignment > PAGE ? alignment : 0;
    uintptr_t at = __atomic_fetch_add(&next, pages + 2 * PAGE + slack, __ATOMIC_RELAXED);
    void *map = (void *)at;

    if (mmap(map, pages + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
             -1, 0) == MAP_FAILED ||
        mprotect(map, pages, PROT_READ | PROT_WRITE) != 0)
        return ENOMEM;
    /* Huge alignments are for speed alone: 64 bytes must do, so that the end is the page's. */
    at += getenv("GUARD_FRONT") ? 0 : pages - (alignment > PAGE ? (size + 63) / 64 * 64 : rounded);
    remember(at, (uintptr_t)map, pages + PAGE);
    *out = (void *)at;
    return 0;
}

void free(void *block)
{
    uintptr_t at = (uintptr_t)block;
    if (at < BASE || at >= __atomic_load_n(&next, __ATOMIC_RELAXED)) {
        __libc_free(block);
        return;
    }
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].block == at) {
            munmap((void *)blocks[i].map, blocks[i].size);
            blocks[i].block = 0;
            break;
        }
    pthread_mutex_unlock(&lock);
}

/* A library for LD_PRELOAD: chosen calls of chosen functions fail, or do less than was asked.
 *
 *   INJECT=RULE[,RULE...]      RULE is FUNCTION:WHICH[:EFFECT]
 *   INJECT_COUNT=FILE          at exit, the number of calls of each function, one a line
 *   INJECT_SECONDS=N           a program that runs for so long is ended by SIGALRM
 *
 * FUNCTION is one of the list below; `alloc` stands for every call that asks for memory (malloc,
 * calloc, realloc, aligned_alloc, posix_memalign), counted together. WHICH is N (the Nth call, from
 * 1), N+ (the Nth and every later one) or %N (every Nth). EFFECT is a name of errno, `short` (read
 * and write move a part of the bytes only) or `kill` (SIGKILL in place of the call); by default,
 * memory ends with ENOMEM, threads with EAGAIN, and the rest with EIO. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The C library's own names: dlsym may ask for memory itself. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

enum function {
    CALL_malloc,
    CALL_calloc,
    CALL_realloc,
    CALL_aligned_alloc,
    CALL_posix_memalign,
    CALL_alloc,
    CALL_write,
    CALL_read,
    CALL_open,
    CALL_close,
    CALL_fsync,
    CALL_rename,
    CALL_link,
    CALL_unlink,
    CALL_mkdir,
    CALL_mmap,
    CALL_fopen,
    CALL_opendir,
    CALL_readdir,
    CALL_pthread_create,
    FUNCTION_COUNT
};

static const char *const names[] = {
    [CALL_malloc] = "malloc",
    [CALL_calloc] = "calloc",
    [CALL_realloc] = "realloc",
    [CALL_aligned_alloc] = "aligned_alloc",
    [CALL_posix_memalign] = "posix_memalign",
    [CALL_alloc] = "alloc",
    [CALL_write] = "write",
    [CALL_read] = "read",
    [CALL_open] = "open",
    [CALL_close] = "close",
    [CALL_fsync] = "fsync",
    [CALL_rename] = "rename",
    [CALL_link] = "link",
    [CALL_unlink] = "unlink",
    [CALL_mkdir] = "mkdir",
    [CALL_mmap] = "mmap",
    [CALL_fopen] = "fopen",
    [CALL_opendir] = "opendir",
    [CALL_readdir] = "readdir",
    [CALL_pthread_create] = "pthread_create",
};

enum { SHORT = -1, KILL = -2, RULE_COUNT = 8 };

struct rule {
    enum function function;
    unsigned long at;
    bool onwards, every;
    int effect; /* an errno, SHORT or KILL */
};

static struct rule rules[RULE_COUNT];
static size_t rule_count;
static unsigned long counts[FUNCTION_COUNT];

static int default_effect(enum function function)
{
    if (function <= CALL_alloc || function == CALL_mmap)
        return ENOMEM;
    return function == CALL_pthread_create ? EAGAIN : EIO;
}

static int effect_read(const char *name, enum function function)
{
    static const struct {
        const char *name;
        int effect;
    } effects[] = {{"short", SHORT},   {"kill", KILL},     {"EACCES", EACCES}, {"EAGAIN", EAGAIN},
                   {"EDQUOT", EDQUOT}, {"EINTR", EINTR},   {"EIO", EIO},       {"EMFILE", EMFILE},
                   {"ENOENT", ENOENT}, {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC}, {"EPERM", EPERM},
                   {"EROFS", EROFS},   {"EXDEV", EXDEV}};

    if (!name)
        return default_effect(function);
    for (size_t i = 0; i < sizeof effects / sizeof effects[0]; i++)
        if (strcmp(name, effects[i].name) == 0)
            return effects[i].effect;
    dprintf(2, "inject: unknown effect %s\n", name);
    _exit(99);
}

static enum function function_read(const char *name)
{
    for (int i = 0; i < FUNCTION_COUNT; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum function)i;
    dprintf(2, "inject: unknown function %s\n", name);
    _exit(99);
}

static struct rule rule_read(char *text)
{
    char *rest = NULL, *function = strtok_r(text, ":", &rest), *which = strtok_r(NULL, ":", &rest);
    struct rule rule = {.function = function_read(function ? function : "")};

    rule.every = which && which[0] == '%';
    rule.at = which ? strtoul(which + rule.every, &which, 10) : 0;
    rule.onwards = which && which[0] == '+';
    rule.effect = effect_read(strtok_r(NULL, ":", &rest), rule.function);
    if (rule.at == 0) {
        dprintf(2, "inject: a rule is FUNCTION:WHICH[:EFFECT]\n");
        _exit(99);
    }
    return rule;
}

__attribute__((constructor)) static void inject_begin(void)
{
    static char text[512];
    const char *given = getenv("INJECT");
    const char *seconds = getenv("INJECT_SECONDS");
    char *rest = NULL;

    if (seconds)
        alarm((unsigned)atoi(seconds));
    snprintf(text, sizeof text, "%s", given ? given : "");
    for (char *rule = strtok_r(text, ",", &rest); rule && rule_count < RULE_COUNT;
         rule = strtok_r(NULL, ",", &rest)) {
        struct rule read = rule_read(rule);
        rules[rule_count++] = read;
    }
}

__attribute__((destructor)) static void inject_end(void)
{
    const char *path = getenv("INJECT_COUNT");
    size_t kept = rule_count;

    rule_count = 0; /* what is done here is not meant */
    FILE *file = path ? fopen(path, "w") : NULL;
    for (int i = 0; file && i < FUNCTION_COUNT; i++)
        fprintf(file, "%s %lu\n", names[i], counts[i]);
    if (file)
        fclose(file);
    rule_count = kept;
}

/* What is to become of this call: 0 (nothing), an errno, or SHORT. */
static int call(enum function function)
{
    unsigned long n = __atomic_add_fetch(&counts[function], 1, __ATOMIC_RELAXED);

    for (size_t i = 0; i < rule_count; i++) {
        const struct rule *rule = &rules[i];
        bool hit = rule->every ? n % rule->at == 0 : rule->onwards ? n >= rule->at : n == rule->at;
        if (rule->function != function || !hit)
            continue;
        if (rule->effect == KILL)
            raise(SIGKILL);
        return rule->effect;
    }
    return 0;
}

static bool fails(enum function function)
{
    int error = call(function);

    if (error > 0)
        errno = error;
    return error > 0;
}

static bool memory_fails(enum function function)
{
    bool one = fails(function), any = fails(CALL_alloc);
    return one || any;
}

void *malloc(size_t size)
{
    return memory_fails(CALL_malloc) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return memory_fails(CALL_calloc) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return memory_fails(CALL_realloc) ? NULL : __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memory_fails(CALL_aligned_alloc) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *block = memory_fails(CALL_posix_memalign) ? NULL : __libc_memalign(alignment, size);

    if (!block)
        return ENOMEM;
    *out = block;
    return 0;
}

/* The function that this library stands in front of. */
#define NEXT(name)                                                                                 \
    static __typeof__(name) *next;                                                                 \
    if (!next)                                                                                     \
    *(void **)&next = dlsym(RTLD_NEXT, #name)

/* A third of the bytes, but at least one. */
static size_t part(size_t size)
{
    return size > 3 ? size / 3 : size > 0;
}

ssize_t write(int fd, const void *data, size_t size)
{
    NEXT(write);
    int effect = call(CALL_write);

    if (effect > 0) {
        errno = effect;
        return -1;
    }
    return next(fd, data, effect == SHORT ? part(size) : size);
}

ssize_t read(int fd, void *data, size_t size)
{
    NEXT(read);
    int effect = call(CALL_read);

    if (effect > 0) {
        errno = effect;
        return -1;
    }
    return next(fd, data, effect == SHORT ? part(size) : size);
}

int open(const char *path, int flags, ...)
{
    NEXT(open);
    mode_t mode = 0;
    va_list arguments;

    if (flags & O_CREAT) {
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return fails(CALL_open) ? -1 : next(path, flags, mode);
}

/* The descriptor is gone, whatever close returns. */
int close(int fd)
{
    NEXT(close);
    int effect = call(CALL_close), result = next(fd);

    if (effect <= 0)
        return result;
    errno = effect;
    return -1;
}

int fsync(int fd)
{
    NEXT(fsync);
    return fails(CALL_fsync) ? -1 : next(fd);
}

int rename(const char *from, const char *to)
{
    NEXT(rename);
    return fails(CALL_rename) ? -1 : next(from, to);
}

int link(const char *from, const char *to)
{
    NEXT(link);
    return fails(CALL_link) ? -1 : next(from, to);
}

int unlink(const char *path)
{
    NEXT(unlink);
    return fails(CALL_unlink) ? -1 : next(path);
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir);
    return fails(CALL_mkdir) ? -1 : next(path, mode);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    NEXT(mmap);
    return fails(CALL_mmap) ? MAP_FAILED : next(at, size, protection, flags, fd, offset);
}

FILE *fopen(const char *restrict path, const char *restrict mode)
{
    NEXT(fopen);
    return fails(CALL_fopen) ? NULL : next(path, mode);
}

DIR *opendir(const char *path)
{
    NEXT(opendir);
    return fails(CALL_opendir) ? NULL : next(path);
}

struct dirent *readdir(DIR *directory)
{
    NEXT(readdir);
    return fails(CALL_readdir) ? NULL : next(directory);
}

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                   void *(*start)(void *), void *restrict argument)
{
    NEXT(pthread_create);
    int effect = call(CALL_pthread_create);

    return effect > 0 ? effect : next(thread, attributes, start, argument);
}

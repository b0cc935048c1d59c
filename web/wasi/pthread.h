/* POSIX threads for a machine that has one. wasi-libc has none of it. Locks are always free, and no
 * thread can be made. */
#ifndef CNN_WASI_PTHREAD_H
#define CNN_WASI_PTHREAD_H

#include <errno.h>
#include <time.h>

typedef int pthread_t, pthread_attr_t, pthread_mutex_t, pthread_cond_t, pthread_once_t;
typedef int pthread_mutexattr_t, pthread_condattr_t;

#define PTHREAD_ONCE_INIT         0
#define PTHREAD_MUTEX_INITIALIZER 0
#define PTHREAD_COND_INITIALIZER  0
#define PTHREAD_CREATE_DETACHED   1
#define PTHREAD_CREATE_JOINABLE   0

static inline int pthread_once(pthread_once_t *once, void (*initialise)(void))
{
    if (!*once)
        initialise();
    *once = 1;
    return 0;
}

static inline int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                 void *(*run)(void *), void *argument)
{
    (void)thread, (void)attributes, (void)run, (void)argument;
    return EAGAIN;
}

static inline int pthread_join(pthread_t thread, void **result)
{
    (void)thread, (void)result;
    return ESRCH;
}

static inline int pthread_attr_init(pthread_attr_t *attributes)
{
    return *attributes = 0;
}

static inline int pthread_attr_setdetachstate(pthread_attr_t *attributes, int state)
{
    return *attributes = state, 0;
}

static inline int pthread_attr_destroy(pthread_attr_t *attributes)
{
    return *attributes = 0;
}

static inline int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    return *mutex = 0;
}

#define CNN_WASI_NOTHING(name, type)                                                               \
    static inline int name(type *object)                                                           \
    {                                                                                              \
        (void)object;                                                                              \
        return 0;                                                                                  \
    }
CNN_WASI_NOTHING(pthread_mutex_lock, pthread_mutex_t)
CNN_WASI_NOTHING(pthread_mutex_unlock, pthread_mutex_t)
CNN_WASI_NOTHING(pthread_mutex_destroy, pthread_mutex_t)
CNN_WASI_NOTHING(pthread_cond_signal, pthread_cond_t)
CNN_WASI_NOTHING(pthread_cond_broadcast, pthread_cond_t)
CNN_WASI_NOTHING(pthread_cond_destroy, pthread_cond_t)
CNN_WASI_NOTHING(pthread_condattr_init, pthread_condattr_t)
CNN_WASI_NOTHING(pthread_condattr_destroy, pthread_condattr_t)
#undef CNN_WASI_NOTHING

static inline int pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    (void)attributes;
    return *condition = 0;
}

static inline int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    (void)condition, (void)mutex;
    return 0;
}

static inline int pthread_condattr_setclock(pthread_condattr_t *attributes, clockid_t clock)
{
    (void)attributes, (void)clock;
    return 0;
}

static inline int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                         const struct timespec *until)
{
    (void)condition, (void)mutex, (void)until;
    return ETIMEDOUT;
}

#endif

/* POSIX threads for a machine that has one. wasi-libc has only the types. Locks are always free,
 * and no thread can be made. */
#ifndef CNN_WASI_PTHREAD_H
#define CNN_WASI_PTHREAD_H

#include <errno.h>
#include <time.h>

#define __NEED_pthread_t
#define __NEED_pthread_once_t
#define __NEED_pthread_attr_t
#define __NEED_pthread_mutex_t
#define __NEED_pthread_mutexattr_t
#define __NEED_pthread_cond_t
#define __NEED_pthread_condattr_t
#include <bits/alltypes.h>

#define PTHREAD_ONCE_INIT 0
#define PTHREAD_MUTEX_INITIALIZER                                                                  \
    {                                                                                              \
        {                                                                                          \
            {                                                                                      \
                0                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
#define PTHREAD_COND_INITIALIZER PTHREAD_MUTEX_INITIALIZER
#define PTHREAD_CREATE_DETACHED  1
#define PTHREAD_CREATE_JOINABLE  0

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

static inline int pthread_attr_setdetachstate(pthread_attr_t *attributes, int state)
{
    (void)attributes, (void)state;
    return 0;
}

static inline int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    (void)mutex, (void)attributes;
    return 0;
}

static inline int pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    (void)condition, (void)attributes;
    return 0;
}

static inline int pthread_condattr_setclock(pthread_condattr_t *attributes, clockid_t clock)
{
    (void)attributes, (void)clock;
    return 0;
}

static inline int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    (void)condition, (void)mutex;
    return 0;
}

static inline int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                         const struct timespec *until)
{
    (void)condition, (void)mutex, (void)until;
    return ETIMEDOUT;
}

#define CNN_WASI_NOTHING(name, type)                                                               \
    static inline int name(type *object)                                                           \
    {                                                                                              \
        (void)object;                                                                              \
        return 0;                                                                                  \
    }
CNN_WASI_NOTHING(pthread_attr_init, pthread_attr_t)
CNN_WASI_NOTHING(pthread_attr_destroy, pthread_attr_t)
CNN_WASI_NOTHING(pthread_mutex_lock, pthread_mutex_t)
CNN_WASI_NOTHING(pthread_mutex_unlock, pthread_mutex_t)
CNN_WASI_NOTHING(pthread_mutex_destroy, pthread_mutex_t)
CNN_WASI_NOTHING(pthread_cond_signal, pthread_cond_t)
CNN_WASI_NOTHING(pthread_cond_broadcast, pthread_cond_t)
CNN_WASI_NOTHING(pthread_cond_destroy, pthread_cond_t)
CNN_WASI_NOTHING(pthread_condattr_init, pthread_condattr_t)
CNN_WASI_NOTHING(pthread_condattr_destroy, pthread_condattr_t)
#undef CNN_WASI_NOTHING

#endif

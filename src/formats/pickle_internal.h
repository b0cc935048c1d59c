/* What the files of the pickle reader share: the machine, and what its stack does. */
#ifndef CNN_FORMATS_PICKLE_INTERNAL_H
#define CNN_FORMATS_PICKLE_INTERNAL_H

#include "formats/pickle.h"

struct cnn_pickle_values { /* of cnn_malloc */
    struct cnn_pickle **items;
    size_t count, capacity;
};

struct cnn_pickle_machine {
    struct cnn_arena *arena;
    const struct cnn_pickle_source *source;
    cnn_diag *diag;
    size_t at, opcode; /* next byte; of the opcode at hand */
    struct cnn_pickle_values stack, memo, stored;
    size_t *marks; /* heights of the stack */
    size_t mark_count, mark_capacity;
    bool stopped;
};

/* "PATH: byte N: ...", of the opcode at hand; CNN_FAILED. */
cnn_status cnn_pickle_fail(const struct cnn_pickle_machine *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
cnn_status cnn_pickle_fail_memory(const struct cnn_pickle_machine *m);

cnn_status cnn_pickle_append(const struct cnn_pickle_machine *m, struct cnn_pickle_values *list,
                             struct cnn_pickle *value);

/* That so many values are above the newest mark. The one that lies `below` others is then there. */
cnn_status cnn_pickle_need(const struct cnn_pickle_machine *m, size_t count);
struct cnn_pickle *cnn_pickle_top(const struct cnn_pickle_machine *m, size_t below);

/* A value that begins at the opcode at hand; NULL: there is no memory, which push tells. */
struct cnn_pickle *cnn_pickle_make(const struct cnn_pickle_machine *m, enum cnn_pickle_kind kind);
cnn_status cnn_pickle_push(struct cnn_pickle_machine *m, struct cnn_pickle *value);
cnn_status cnn_pickle_push_integer(struct cnn_pickle_machine *m, enum cnn_pickle_kind kind,
                                   int64_t integer);

/* The newest count values become those of one. */
cnn_status cnn_pickle_gather(struct cnn_pickle_machine *m, enum cnn_pickle_kind kind, size_t count);

/* A mark on the stack; how many values are above the newest one, which goes. */
cnn_status cnn_pickle_push_mark(struct cnn_pickle_machine *m);
cnn_status cnn_pickle_pop_mark(struct cnn_pickle_machine *m, size_t *count);

/* The newest count values, or those above the newest mark, go into the list or table below them. */
cnn_status cnn_pickle_put_in(struct cnn_pickle_machine *m, enum cnn_pickle_kind kind, size_t count);
cnn_status cnn_pickle_put_many(struct cnn_pickle_machine *m, enum cnn_pickle_kind kind);

#endif

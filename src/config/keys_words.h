/* Private to config: the words that messages about keys use. */
#ifndef CNN_CONFIG_KEYS_WORDS_H
#define CNN_CONFIG_KEYS_WORDS_H

#include "config/keys.h"

/* What the numbers of a key may be; least and most are infinite where there is no bound. */
struct cnn_key_range {
    double least, most;
    bool open_least, open_most; /* the bound itself is excluded */
};

struct cnn_key_range cnn_key_range(const struct cnn_key *key);

/* "an integer, 1 or more", "max or avg": as cnn_key_describe_type, for a sentence. Returned in
 * buffer. */
const char *cnn_key_wants(const struct cnn_key *key, char *buffer, size_t size);

/* The most names that one table, or one list of words, has. */
#define CNN_KEY_WORDS 64

/* Hints at the word of words[0..count) that the unknown key, or the unknown word for a value, found
 * stands for: in another program, or nearly. list: and at all of them, where they are few. The
 * first returns that word, or NULL. */
const char *cnn_key_hint_name(const char *found, const char *const *words, size_t count,
                              cnn_diag *diag);
void cnn_key_hint_word(const char *found, const char *const *words, size_t count, bool list,
                       cnn_diag *diag);

/* Hints at the point or the brackets, and returns true, where found is a number or a list as others
 * write it: `0,01`, `3x3`, `(1, 1)`, or what commas between braces leave of that, `(1` and `1)`. */
bool cnn_key_hint_brackets(const char *found, cnn_diag *diag);

#endif

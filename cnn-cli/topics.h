/* Words that people look for in the help. */
#ifndef CNN_CLI_TOPICS_H
#define CNN_CLI_TOPICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* word in small letters, with _ for dashes and blanks. The others take such words. */
void cnn_topic_fold(const char *word, char *out, size_t size);

/* Prints what answers the word; false where nothing does. stream NULL: only looks. */
bool cnn_topic_text(const char *word, FILE *stream);
/* The options of that name, of every command. */
bool cnn_topic_options(const char *word, FILE *stream);

/* All the words that cnn_topic_text knows, at most room; how many. */
size_t cnn_topic_words(const char **words, size_t room);

#endif

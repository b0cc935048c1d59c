/* Private to config: what is wrong with a text that is no YAML, in plain words, and with
 * its characters (yaml_characters.c). */
#ifndef CNN_CONFIG_YAML_SYNTAX_H
#define CNN_CONFIG_YAML_SYNTAX_H

#include "util/diag.h"

#include <yaml.h>

/* Reports the first byte of source that no YAML text may hold (bad UTF-8, control characters), and
 * before it the characters that stand in place of YAML's own; CNN_OK where there are none. Before
 * byte `start` is a path of keys, behind it their value. */
cnn_status cnn_yaml_check_characters(const struct cnn_source *source, size_t start, cnn_diag *diag);

/* The place of a mark of a parser that began at column (from 0) of the first line of source. */
struct cnn_where cnn_yaml_where(const struct cnn_source *source, size_t column,
                                const yaml_mark_t *mark);

/* Reports the error that parser stopped with. */
cnn_status cnn_yaml_fail_syntax(const yaml_parser_t *parser, const struct cnn_source *source,
                                size_t column, cnn_diag *diag);

#endif

/* The arithmetic of exported C: pieces of c_kernels/, each of which begins with the line
 * "piece NAME: NAMES THAT IT NEEDS", as a comment. */
#include <stdio.h>
#include <string.h>

#include "formats/c_export.h"

#define BEGIN "/* piece "
#define END   "/* piece */\n"

/* A line that ends the last piece of a file. */
static const char *const lines[] = {
#include "formats/c_kernels/float.c.h"
    END,
#include "formats/c_kernels/float_more.c.h"
    END,
#include "formats/c_kernels/int8_windows.c.h"
    END,
#include "formats/c_kernels/int8.c.h"
    END,
};

#define COUNT (sizeof lines / sizeof *lines)

static bool begins_piece(const char *line)
{
    return strncmp(line, BEGIN, strlen(BEGIN)) == 0;
}

/* The line with which the piece begins. */
static size_t find(const char *name, size_t length)
{
    for (size_t i = 0; i < COUNT; i++)
        if (begins_piece(lines[i]) && strncmp(lines[i] + strlen(BEGIN), name, length) == 0 &&
            strchr(": ", lines[i][strlen(BEGIN) + length]))
            return i;
    return COUNT;
}

static void need(struct cnn_c_net *net, const char *name, size_t length)
{
    const size_t at = find(name, length);
    if (at == COUNT || net->needed[at])
        return;
    net->needed[at] = true;
    const char *word = strchr(lines[at], ':'), *end = strstr(lines[at], " */");
    while (word && word < end) {
        word += strspn(word, ": ");
        const size_t size = strcspn(word, " ");
        if (word < end)
            need(net, word, size);
        word += size;
    }
}

void cnn_c_need(struct cnn_c_net *net, const char *name)
{
    if (!net->needed)
        net->needed = cnn_arena_array(net->e->arena, COUNT, sizeof *net->needed);
    if (!net->needed)
        net->failed = true;
    else
        need(net, name, strlen(name));
}

void cnn_c_write_pieces(struct cnn_c_net *net, struct cnn_text *out)
{
    for (size_t i = 0; net->needed && i < COUNT; i++) {
        if (!net->needed[i])
            continue;
        size_t end = i + 1;
        while (end < COUNT && !begins_piece(lines[end]))
            end++;
        while (end > i + 1 && strcmp(lines[end - 1], "\n") == 0)
            end--;
        for (size_t k = i + 1; k < end; k++)
            cnn_text_printf(out, "%s", lines[k]);
        cnn_text_printf(out, "\n");
    }
}

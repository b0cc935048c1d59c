/* Rank 0 sends its text, and every other rank looks for the first line that differs. So a message
 * can show both. */
#include <string.h>

#include "cluster/cluster.h"
#include "util/allocate.h"

#define SHOWN 120 /* characters of a line that differs */

/* Rank 0's text, for cnn_free; NULL and a message on failure. */
static char *receive_text(cnn_cluster *cluster, const char *own, cnn_diag *diag)
{
    bool first = cnn_cluster_rank(cluster) == 0;
    uint64_t size = strlen(own);
    if (!cnn_cluster_broadcast(cluster, &size, sizeof size))
        return NULL;
    char *text = cnn_calloc(1, (size_t)size + 1);
    if (!text) {
        cnn_fail_memory(diag, (size_t)size, "the description of rank 0");
        return NULL;
    }
    if (first)
        memcpy(text, own, (size_t)size);
    if (cnn_cluster_broadcast(cluster, text, (size_t)size))
        return text;
    cnn_free(text);
    return NULL;
}

static cnn_status fail_difference(const char *own, const char *other, cnn_diag *diag)
{
    int mine = (int)strcspn(own, "\n"), theirs = (int)strcspn(other, "\n");
    return cnn_fail(diag, CNN_FAILED, NULL,
                    "it does not have what rank 0 has: '%.*s', but rank 0 has '%.*s'",
                    mine < SHOWN ? mine : SHOWN, own, theirs < SHOWN ? theirs : SHOWN, other);
}

static cnn_status compare(const char *own, const char *other, cnn_diag *diag)
{
    while (*own || *other) {
        size_t mine = strcspn(own, "\n"), theirs = strcspn(other, "\n");
        if (mine != theirs || memcmp(own, other, mine) != 0)
            return fail_difference(own, other, diag);
        own += mine + (own[mine] == '\n');
        other += theirs + (other[theirs] == '\n');
    }
    return CNN_OK;
}

cnn_status cnn_cluster_agree(cnn_cluster *cluster, const char *text, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    if (!cluster)
        return CNN_OK;
    if (!text)
        return cnn_fail_missing(diag, "cnn_cluster_agree", "text");
    char *other = receive_text(cluster, text, diag);
    if (other)
        status = compare(text, other, diag);
    else if (cnn_cluster_check(cluster, NULL) == CNN_OK)
        status = CNN_FAILED; /* memory */
    cnn_free(other);
    if (status != CNN_OK)
        cnn_cluster_fail(cluster, status, diag);
    /* Also a barrier: from here on rank 0 may change the files that the others have read. */
    if (status == CNN_OK)
        cnn_cluster_any(cluster, 0);
    return status == CNN_OK ? cnn_cluster_check(cluster, diag) : status;
}

/* ZIP archives whose entries are stored as they are, as PyTorch writes them; with ZIP64. The
 * format: PKWARE's APPNOTE.TXT, version 6.3. */
#ifndef CNN_FORMATS_ZIP_H
#define CNN_FORMATS_ZIP_H

#include "util/arena.h"
#include "util/diag.h"

struct cnn_zip_entry {
    const char *name;          /* in the arena: UTF-8 without NUL */
    const unsigned char *data; /* in the archive's bytes; NULL: it is compressed or encrypted */
    size_t size;
    size_t at; /* of its local header: bytes from the beginning */
    uint32_t crc;
};

struct cnn_zip {
    const char *path;                    /* for messages */
    const struct cnn_zip_entry *entries; /* by name */
    size_t count;
};

/* Whether the bytes begin as an archive with entries does. */
bool cnn_zip_recognise(const unsigned char *data, size_t size);

/* Lists the entries of an archive that is whole in memory, and stays there as long as *out is used,
 * which is in arena. Nothing in the archive is trusted: each place and length lies within what
 * holds it. CNN_FAILED, with the byte, where that is not so, or where two have one name. */
cnn_status cnn_zip_open(struct cnn_arena *arena, const char *path, const unsigned char *data,
                        size_t size, struct cnn_zip *out, cnn_diag *diag);

/* NULL where there is none. */
const struct cnn_zip_entry *cnn_zip_find(const struct cnn_zip *zip, const char *name);

/* CNN_FAILED where the entry is not stored as it is, or its bytes do not have its checksum. One of
 * 0 was not computed: PyTorch can be told so. */
cnn_status cnn_zip_check(const struct cnn_zip *zip, const struct cnn_zip_entry *entry,
                         cnn_diag *diag);

#endif

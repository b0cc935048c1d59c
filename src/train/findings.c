/* What the checks found, and the texts about it. */
#include "train/check.h"

#define FINDINGS 32 /* there are fewer checks */

/* What a look found, in an arena of its own. */
struct cnn_findings_list {
    cnn_findings shown; /* the caller's part */
    cnn_finding items[FINDINGS];
    struct cnn_arena *memory;
};

void cnn_check_add(struct cnn_check *check, const char *about, cnn_check_level level,
                   const char *hint, const char *format, ...)
{
    struct cnn_findings_list *list = check->findings;
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    cnn_finding finding = {.about = about, .level = level};
    finding.text = text.failed ? NULL : cnn_arena_strdup(list->memory, text.data);
    finding.hint = hint ? cnn_arena_strdup(list->memory, hint) : NULL;
    cnn_text_free(&text);
    if (!finding.text || (hint && !finding.hint) || list->shown.count == FINDINGS)
        check->want = CNN_WANT_MEMORY;
    else
        list->items[list->shown.count++] = finding;
}

cnn_status cnn_findings_begin(struct cnn_check *check, cnn_diag *diag)
{
    struct cnn_arena *memory = cnn_arena_new();
    check->findings = memory ? cnn_arena_alloc(memory, sizeof *check->findings) : NULL;
    if (!check->findings) {
        cnn_arena_free(memory);
        return cnn_fail_memory(diag, 0, "findings");
    }
    check->findings->memory = memory;
    check->findings->shown.items = check->findings->items;
    return CNN_OK;
}

cnn_status cnn_findings_end(struct cnn_check *check, cnn_status status, cnn_findings **out,
                            cnn_diag *diag)
{
    if (status == CNN_OK && check->want != CNN_WANT_NOTHING)
        status = cnn_fail_want(diag, check->want, 0, "what a look wants");
    if (status == CNN_OK)
        *out = &check->findings->shown;
    else if (check->findings)
        cnn_findings_free(&check->findings->shown);
    return status;
}

void cnn_findings_free(cnn_findings *findings)
{
    if (findings)
        cnn_arena_free(((struct cnn_findings_list *)findings)->memory);
}

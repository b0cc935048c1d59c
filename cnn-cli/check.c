/* The findings about a run that is to be, a line each, and hints below them. */
#include "check.h"

#include <stdio.h>

#include "command.h"
#include "terminal.h"

static void print_finding(const cnn_finding *finding)
{
    static const char *const words[] = {"ok", "remark", "warning", "wrong"};
    static const enum cnn_style styles[] = {CNN_STYLE_GREEN, CNN_STYLE_BOLD, CNN_STYLE_YELLOW,
                                            CNN_STYLE_RED};

    printf("%s%-7s%s  %-9s  ", cnn_style(stdout, styles[finding->level]), words[finding->level],
           cnn_style(stdout, CNN_STYLE_PLAIN), finding->about);
    cnn_print_text(stdout, finding->text, 0, false);
    printf("\n");
    if (finding->hint)
        printf("                    hint: %s\n", cnn_show_text(finding->hint).text);
}

cnn_status cnn_check_and_print(const cnn_train_options *options, cnn_diag *diag)
{
    cnn_findings *findings = NULL;
    cnn_status status = cnn_check_training(options, &findings, diag);

    cnn_print_messages(diag);
    if (status != CNN_OK)
        return status;
    for (size_t i = 0; i < findings->count; i++) {
        print_finding(&findings->items[i]);
        if (findings->items[i].level == CNN_CHECK_WRONG)
            status = CNN_FAILED;
    }
    cnn_findings_free(findings);
    return status;
}

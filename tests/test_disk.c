/* What is swept out of a run's directory. */
#include "scratch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/disk.h"

static void leave(struct scratch *s, pid_t pid)
{
    char name[64];
    snprintf(name, sizeof name, "last.safetensors.tmp-%ld", (long)pid);
    scratch_write(s, name, "part", 4);
}

/* A child that waits for a signal. */
static pid_t start_child(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    return pid;
}

/* Ends the child, and lets it be a zombie. */
static void end_child(pid_t pid)
{
    siginfo_t info;
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0)
        assert_int_equal(errno, EINTR);
}

static void test_sweep_leaves_a_file_alone_until_its_writer_ends(void **state)
{
    struct scratch *s = *state;
    pid_t pid = start_child();
    leave(s, pid);
    cnn_disk_sweep(s->folder);
    assert_int_equal(scratch_count(s), 1);

    end_child(pid);
    assert_int_equal(kill(pid, 0), 0); /* the number is not free yet */
    cnn_disk_sweep(s->folder);
    assert_int_equal(scratch_count(s), 0);

    leave(s, pid);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    cnn_disk_sweep(s->folder);
    assert_int_equal(scratch_count(s), 0);
}

static void test_sweep_takes_its_own_process_s_files_and_no_others(void **state)
{
    struct scratch *s = *state;
    static const char *const others[] = {"a.tmp-",    "a.tmp-0", "a.tmp-1x", "a.tmp-99999999999999",
                                         "notes.tmp", "a.tmp-1"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        scratch_write(s, others[i], "kept", 4);
    leave(s, getpid());
    cnn_disk_sweep(s->folder);
    assert_int_equal(scratch_count(s), sizeof others / sizeof *others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sweep_leaves_a_file_alone_until_its_writer_ends,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_sweep_takes_its_own_process_s_files_and_no_others,
                                        scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

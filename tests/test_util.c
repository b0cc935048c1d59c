/* Arenas, random numbers, the parallel loop, files. */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "scratch.h"
#include "util/arena.h"
#include "util/file.h"
#include "util/parallel.h"
#include "util/random.h"

static void test_arena_memory_is_zeroed_and_aligned_when_sizes_are_mixed(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 64, 3, 100, 0, 17, 16383, 16384, 5, 200000, 64, 65536, 31};
    struct cnn_arena *arena = cnn_arena_new();
    assert_non_null(arena);
    for (size_t round = 0; round < 20; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            unsigned char *p = cnn_arena_alloc(arena, sizes[i]);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % (sizes[i] >= 64 ? 64 : 16), 0);
            for (size_t k = 0; k < sizes[i]; k++)
                assert_int_equal(p[k], 0);
            memset(p, 0xff, sizes[i]);
        }
    cnn_arena_free(arena);
    cnn_arena_free(NULL);
}

static void test_arena_gives_null_when_the_size_overflows(void **state)
{
    (void)state;
    struct cnn_arena *arena = cnn_arena_new();
    assert_null(cnn_arena_alloc(arena, SIZE_MAX));
    assert_null(cnn_arena_alloc(arena, SIZE_MAX - 64));
    assert_null(cnn_arena_array(arena, SIZE_MAX / 2, 3));
    assert_null(cnn_floats_new(SIZE_MAX));
    assert_null(cnn_floats_new(SIZE_MAX / sizeof(float)));
    assert_non_null(cnn_arena_alloc(arena, 8));
    cnn_arena_free(arena);
}

static void test_arena_texts_are_copied_when_asked(void **state)
{
    (void)state;
    struct cnn_arena *arena = cnn_arena_new();
    char text[] = "conv1.weight";
    char *whole = cnn_arena_strdup(arena, text), *part = cnn_arena_strndup(arena, text, 5),
         *longer = cnn_arena_strndup(arena, text, 100);
    char *printed = cnn_arena_printf(arena, "%s = %d", text, 7);
    text[0] = 'X';
    assert_string_equal(whole, "conv1.weight");
    assert_string_equal(part, "conv1");
    assert_string_equal(longer, "conv1.weight");
    assert_string_equal(printed, "conv1.weight = 7");
    cnn_arena_free(arena);
}

static void test_floats_are_zeroed_on_a_cache_line_when_new(void **state)
{
    (void)state;
    for (size_t count = 0; count < 40; count += 13) {
        float *floats = cnn_floats_new(count);
        assert_non_null(floats);
        assert_int_equal((uintptr_t)floats % 64, 0);
        for (size_t i = 0; i < count; i++)
            assert_true(floats[i] == 0);
        cnn_floats_free(floats);
    }
    cnn_floats_free(NULL);
}

/* The numbers of the author's own demonstration program, pcg32-demo: seed 42, sequence 54. */
static void test_random_is_pcg32_when_seeded_as_its_demo(void **state)
{
    (void)state;
    static const uint32_t expected[] = {0xa15c02b7, 0x7b47f409, 0xba1d3330,
                                        0x83d2f293, 0xbfa4784b, 0xcbed606e};
    struct cnn_rng rng = {.state = 0, .increment = 54 << 1 | 1};
    cnn_rng_u32(&rng);
    rng.state += 42;
    cnn_rng_u32(&rng);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(cnn_rng_u32(&rng), expected[i]);
}

/* Of the demonstration's numbers: the first is above 2^32 mod bound, the second below, so that it
 * is thrown away. */
static void test_random_below_a_bound_throws_away_what_would_favour_small_numbers(void **state)
{
    (void)state;
    struct cnn_rng rng = {.state = 0, .increment = 54 << 1 | 1};
    cnn_rng_u32(&rng);
    rng.state += 42;
    cnn_rng_u32(&rng);
    assert_int_equal(cnn_rng_below(&rng, 0x80000001), 0xa15c02b7 - 0x80000001);
    assert_int_equal(cnn_rng_below(&rng, 0x80000001), 0xba1d3330 - 0x80000001);
}

/* Pinned: a run resumed by a later version must draw the same numbers. */
static void test_random_stays_the_same_when_the_program_changes(void **state)
{
    (void)state;
    struct cnn_rng rng = cnn_rng_at(1, CNN_STREAM_SHUFFLE, 2);
    assert_int_equal(cnn_rng_u32(&rng), 0x3095df81);
    assert_int_equal(cnn_rng_u32(&rng), 0x2df7ee7b);
    assert_int_equal(cnn_rng_below(&rng, 1000), 43);
}

static void test_random_differs_when_seed_stream_or_index_do(void **state)
{
    (void)state;
    uint32_t seen[3 * 7 * 20];
    size_t count = 0;
    for (uint64_t seed = 0; seed < 3; seed++)
        for (int stream = CNN_STREAM_INIT; stream <= CNN_STREAM_BENCH; stream++)
            for (uint64_t index = 0; index < 20; index++) {
                struct cnn_rng rng = cnn_rng_at(seed, (enum cnn_stream)stream, index);
                uint32_t first = cnn_rng_u32(&rng);
                for (size_t i = 0; i < count; i++)
                    assert_int_not_equal(seen[i], first);
                seen[count++] = first;
            }
}

/* Also over the first number of many generators: that is how augmentation draws. */
static void test_random_is_even_when_drawn_often(void **state)
{
    (void)state;
    enum { DRAWS = 60000, BOUND = 6 };
    size_t counts[BOUND] = {0}, firsts[BOUND] = {0};
    double sum = 0;
    struct cnn_rng rng = cnn_rng_at(5, CNN_STREAM_INIT, 0);
    for (uint64_t i = 0; i < DRAWS; i++) {
        counts[cnn_rng_below(&rng, BOUND)]++;
        struct cnn_rng other = cnn_rng_at(5, CNN_STREAM_AUGMENT, i);
        firsts[cnn_rng_below(&other, BOUND)]++;
        float u = cnn_rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        sum += u;
    }
    for (size_t i = 0; i < BOUND; i++) {
        assert_in_range(counts[i], 9600, 10400);
        assert_in_range(firsts[i], 9600, 10400);
    }
    assert_true(fabs(sum / DRAWS - 0.5) < 0.005);
    assert_int_equal(cnn_rng_below(&rng, 1), 0);
}

static void test_random_normal_has_its_moments_when_drawn_often(void **state)
{
    (void)state;
    enum { DRAWS = 100000 };
    struct cnn_rng rng = cnn_rng_at(9, CNN_STREAM_INIT, 3);
    double sum = 0, squares = 0, fourth = 0;
    for (size_t i = 0; i < DRAWS; i++) {
        double x = cnn_rng_normal(&rng);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
    }
    assert_true(fabs(sum / DRAWS) < 0.015);
    assert_true(fabs(squares / DRAWS - 1) < 0.02);
    assert_true(fabs(fourth / DRAWS - 3) < 0.2);
}

enum { TASKS = 1000 };

struct tally {
    unsigned char ran[TASKS], bad_thread[TASKS], inner_thread[TASKS];
};

static void note_thread(void *context, size_t i, size_t thread)
{
    (void)i;
    *(unsigned char *)context |= thread != 0;
}

static void tally_task(void *context, size_t i, size_t thread)
{
    struct tally *tally = context;
    tally->ran[i]++;
    tally->bad_thread[i] = thread >= (size_t)cnn_parallel_threads();
    cnn_parallel_for(3, note_thread, &tally->inner_thread[i]);
}

static void test_parallel_runs_each_task_once_when_threads_vary(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 5, 0};
    for (size_t t = 0; t < 4; t++) {
        static struct tally tally;
        cnn_parallel_set_threads(threads[t]);
        memset(&tally, 0, sizeof tally);
        cnn_parallel_for(TASKS, tally_task, &tally);
        for (size_t i = 0; i < TASKS; i++) {
            assert_int_equal(tally.ran[i], 1);
            assert_int_equal(tally.bad_thread[i], 0);
            assert_int_equal(tally.inner_thread[i], 0);
        }
        cnn_parallel_for(0, NULL, NULL);
    }
}

enum { LOOPS = 3000 };

static void count_task(void *context, size_t i, size_t thread)
{
    unsigned char *ran = context;
    (void)thread;
    ran[i]++;
}

static void *run_loops(void *wrong)
{
    unsigned char ran[40];
    for (size_t loop = 0; loop < LOOPS; loop++) {
        size_t tasks = loop % sizeof ran;
        memset(ran, 0, sizeof ran);
        cnn_parallel_for(tasks, count_task, ran);
        for (size_t i = 0; i < sizeof ran; i++)
            *(size_t *)wrong += ran[i] != (i < tasks);
    }
    return NULL;
}

static void test_parallel_runs_each_task_once_when_two_threads_call(void **state)
{
    (void)state;
    size_t wrong = 0, others_wrong = 0;
    pthread_t other;
    cnn_parallel_set_threads(4);
    assert_int_equal(pthread_create(&other, NULL, run_loops, &others_wrong), 0);
    run_loops(&wrong);
    assert_int_equal(pthread_join(other, NULL), 0);
    cnn_parallel_set_threads(0);
    assert_int_equal(wrong + others_wrong, 0);
}

static void test_parallel_threads_are_limited_when_set(void **state)
{
    (void)state;
    cnn_parallel_set_threads(3);
    assert_int_equal(cnn_parallel_threads(), 3);
    cnn_parallel_set_threads(100000);
    assert_int_equal(cnn_parallel_threads(), CNN_MAX_THREADS);
    cnn_parallel_set_threads(-1);
    assert_in_range(cnn_parallel_threads(), 1, CNN_MAX_THREADS);
}

static void test_file_comes_back_when_written(void **state)
{
    struct scratch *s = *state;
    char *data;
    size_t size;
    const char *path = scratch_path(s, "a");
    assert_int_equal(cnn_file_write(path, "old", 3, s->diag), CNN_OK);
    assert_int_equal(cnn_file_write(path, "a\0b", 3, s->diag), CNN_OK);
    assert_int_equal(cnn_file_read(path, 3, &data, &size, s->diag), CNN_OK);
    assert_int_equal(size, 3);
    assert_memory_equal(data, "a\0b", 4);
    free(data);
    assert_int_equal(scratch_count(s), 1);
    struct stat info;
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0666 & ~mask);
}

static void test_file_read_says_why_when_it_cannot(void **state)
{
    struct scratch *s = *state;
    char *data;
    size_t size;
    scratch_expect(s, cnn_file_read(scratch_path(s, "none"), 10, &data, &size, s->diag),
                   "cannot read DIR/none: No such file or directory");
    scratch_expect(s, cnn_file_read(s->folder, 10, &data, &size, s->diag),
                   "cannot read DIR: it is a directory");
    scratch_write(s, "big", "12345678901", 11);
    scratch_expect(s, cnn_file_read(s->path, 10, &data, &size, s->diag),
                   "DIR/big is too large: 11 bytes, at most 10 are read");
    assert_int_equal(cnn_file_read(s->path, 11, &data, &size, s->diag), CNN_OK);
    free(data);
}

/* A pipe that nobody writes to, a device without an end, a socket. */
static void test_file_read_does_not_wait_when_it_is_no_file(void **state)
{
    struct scratch *s = *state;
    char *data;
    size_t size;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    assert_int_equal(mkfifo(scratch_path(s, "pipe"), 0666), 0);
    scratch_expect(s, cnn_file_read(s->path, 10, &data, &size, s->diag),
                   "cannot read DIR/pipe: it is no regular file");
    assert_int_equal(symlink("/dev/zero", scratch_path(s, "link")), 0);
    scratch_expect(s, cnn_file_read(s->path, 10, &data, &size, s->diag),
                   "cannot read DIR/link: it is no regular file");
    snprintf(name.sun_path, sizeof name.sun_path, "%s", scratch_path(s, "socket"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof name), 0);
    scratch_expect(s, cnn_file_read(s->path, 10, &data, &size, s->diag),
                   "cannot read DIR/socket: it is no regular file");
    close(fd);
}

/* What may come by a pipe is read to its end, and no further than the limit. */
static void test_pipes_and_devices_are_read_when_any_file_will_do(void **state)
{
    struct scratch *s = *state;
    char *data;
    size_t size;
    int ends[2];
    char path[32];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "hello", 5), 5);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_int_equal(cnn_file_read_any(path, 10, &data, &size, s->diag), CNN_OK);
    close(ends[0]);
    assert_string_equal(data, "hello");
    free(data);
    scratch_expect(s, cnn_file_read_any("/dev/zero", 5000, &data, &size, s->diag),
                   "/dev/zero is too large: 5001 bytes, at most 5000 are read");
    assert_int_equal(cnn_file_read_any("/dev/null", 0, &data, &size, s->diag), CNN_OK);
    assert_string_equal(data, "");
    free(data);
    scratch_expect(s, cnn_file_read_any(s->folder, 10, &data, &size, s->diag),
                   "cannot read DIR: it is a directory");
}

static void test_writer_leaves_the_old_file_when_abandoned(void **state)
{
    struct scratch *s = *state;
    struct cnn_writer *writer;
    const char *path = scratch_write(s, "a", "old", 3);
    assert_int_equal(cnn_writer_open(path, &writer, s->diag), CNN_OK);
    cnn_writer_write(writer, "new text", 8);
    assert_int_equal(scratch_count(s), 2);
    cnn_writer_abandon(writer);
    cnn_writer_abandon(NULL);
    assert_int_equal(scratch_count(s), 1);
    char *data;
    size_t size;
    assert_int_equal(cnn_file_read(path, 100, &data, &size, s->diag), CNN_OK);
    assert_string_equal(data, "old");
    free(data);
}

static void test_writer_removes_its_temporary_when_commit_fails(void **state)
{
    struct scratch *s = *state;
    struct cnn_writer *writer;
    const char *path = scratch_path(s, "a");
    assert_int_equal(cnn_writer_open(path, &writer, s->diag), CNN_OK);
    cnn_writer_write(writer, "text", 4);
    assert_int_equal(mkdir(path, 0777), 0);
    scratch_expect(s, cnn_writer_commit(writer, s->diag), "cannot write DIR/a: Is a directory");
    assert_int_equal(scratch_count(s), 1);
}

static void test_writer_replaces_a_temporary_when_one_was_left(void **state)
{
    struct scratch *s = *state;
    char stale[64];
    snprintf(stale, sizeof stale, "a.tmp-%ld", (long)getpid());
    scratch_write(s, stale, "left by a crash", 15);
    assert_int_equal(cnn_file_write(scratch_path(s, "a"), "new", 3, s->diag), CNN_OK);
    assert_int_equal(scratch_count(s), 1);
}

static void test_writer_says_why_when_it_cannot(void **state)
{
    struct scratch *s = *state;
    scratch_expect(s, cnn_file_write(s->folder, "x", 1, s->diag),
                   "cannot write DIR: it is a directory");
    scratch_expect(s, cnn_file_write(scratch_path(s, "no/file"), "x", 1, s->diag),
                   "cannot write DIR/no/file: No such file or directory");
    scratch_expect(s, cnn_file_write("/dev/full", "x", 1, s->diag),
                   "cannot write /dev/full: no space left on the disk that holds it");
}

/* A rename would put a plain file in the link's place. */
static void test_writer_follows_a_link_when_the_path_is_one(void **state)
{
    struct scratch *s = *state;
    char link[256];
    strcpy(link, scratch_path(s, "link"));
    assert_int_equal(symlink("target", link), 0);
    assert_int_equal(cnn_file_write(link, "text", 4, s->diag), CNN_OK);
    struct stat info;
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(scratch_path(s, "target"), &info), 0);
    assert_int_equal(info.st_size, 4);
}

static void test_directories_are_made_when_missing(void **state)
{
    struct scratch *s = *state;
    struct stat info;
    assert_int_equal(cnn_make_directories(scratch_path(s, "a/b//c/"), s->diag), CNN_OK);
    assert_int_equal(cnn_make_directories(scratch_path(s, "a/b/c"), s->diag), CNN_OK);
    assert_int_equal(stat(s->path, &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    scratch_write(s, "file", "", 0);
    scratch_expect(s, cnn_make_directories(scratch_path(s, "file/x"), s->diag),
                   "cannot make the directory DIR/file: a file is in its place");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_memory_is_zeroed_and_aligned_when_sizes_are_mixed),
        cmocka_unit_test(test_arena_gives_null_when_the_size_overflows),
        cmocka_unit_test(test_arena_texts_are_copied_when_asked),
        cmocka_unit_test(test_floats_are_zeroed_on_a_cache_line_when_new),
        cmocka_unit_test(test_random_is_pcg32_when_seeded_as_its_demo),
        cmocka_unit_test(test_random_below_a_bound_throws_away_what_would_favour_small_numbers),
        cmocka_unit_test(test_random_stays_the_same_when_the_program_changes),
        cmocka_unit_test(test_random_differs_when_seed_stream_or_index_do),
        cmocka_unit_test(test_random_is_even_when_drawn_often),
        cmocka_unit_test(test_random_normal_has_its_moments_when_drawn_often),
        cmocka_unit_test(test_parallel_runs_each_task_once_when_threads_vary),
        cmocka_unit_test(test_parallel_runs_each_task_once_when_two_threads_call),
        cmocka_unit_test(test_parallel_threads_are_limited_when_set),
        cmocka_unit_test_setup_teardown(test_file_comes_back_when_written, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_file_read_says_why_when_it_cannot, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_file_read_does_not_wait_when_it_is_no_file,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_pipes_and_devices_are_read_when_any_file_will_do,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_writer_leaves_the_old_file_when_abandoned,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_writer_removes_its_temporary_when_commit_fails,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_writer_replaces_a_temporary_when_one_was_left,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_writer_says_why_when_it_cannot, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_writer_follows_a_link_when_the_path_is_one,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_directories_are_made_when_missing, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Several ranks: what they send each other arrives whole and in order, and a rank that fails or no
 * longer answers is known to all. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ranks.h"
#include "util/clock.h"

enum { PATIENT = 60 }; /* seconds */

/* Byte i of what a rank says. */
static unsigned char byte_of(size_t rank, size_t i)
{
    return (unsigned char)(rank * 131 + i * 7 + i / 251);
}

/* Bytes that rank `rank` brings to a gather; rank 1 brings nothing. */
static size_t share_of(size_t rank)
{
    return rank == 1 ? 0 : 1000 * rank + 17;
}

static bool gather_all(cnn_cluster *cluster, void *context)
{
    size_t offsets[RANKS_MOST + 1] = {0}, ranks = cnn_cluster_ranks(cluster);
    for (size_t r = 0; r < ranks; r++)
        offsets[r + 1] = offsets[r] + share_of(r);
    unsigned char *all = calloc(1, offsets[ranks] + 1);
    size_t own = cnn_cluster_rank(cluster);
    for (size_t i = 0; i < share_of(own); i++)
        all[offsets[own] + i] = byte_of(own, i);
    double *moved = context, before = cnn_cluster_counts(cluster).received;
    bool good = cnn_cluster_gather(cluster, all, offsets);
    moved[own] = cnn_cluster_counts(cluster).received - before;
    for (size_t r = 0; r < ranks; r++)
        for (size_t i = 0; i < share_of(r); i++)
            good = good && all[offsets[r] + i] == byte_of(r, i);
    free(all);
    return good;
}

/* No byte twice, and none of its own. */
static void test_every_rank_gets_what_all_bring(void **state)
{
    double *moved = ranks_shared(RANKS_MOST * sizeof *moved);
    (void)state;
    for (size_t ranks = 2; ranks <= 9; ranks++) {
        size_t all = 0;
        assert_int_equal(ranks_run(ranks, PATIENT, gather_all, moved), 0);
        for (size_t r = 0; r < ranks; r++)
            all += share_of(r);
        for (size_t r = 0; r < ranks; r++)
            assert_int_equal(moved[r], all - share_of(r));
    }
}

static bool broadcast_text(cnn_cluster *cluster, void *context)
{
    char text[40] = "";
    (void)context;
    if (cnn_cluster_rank(cluster) == 0)
        snprintf(text, sizeof text, "from the first to all");
    bool good = cnn_cluster_broadcast(cluster, text, sizeof text);
    return good && strcmp(text, "from the first to all") == 0;
}

static void test_what_the_first_rank_says_comes_to_all(void **state)
{
    (void)state;
    for (size_t ranks = 2; ranks <= 9; ranks++)
        assert_int_equal(ranks_run(ranks, PATIENT, broadcast_text, NULL), 0);
}

static bool raise_flags(cnn_cluster *cluster, void *context)
{
    size_t rank = cnn_cluster_rank(cluster), ranks = cnn_cluster_ranks(cluster);
    (void)context;
    bool none = cnn_cluster_any(cluster, 0) == 0;
    bool last = cnn_cluster_any(cluster, rank == ranks - 1 ? 4 : 0) == 4;
    bool both = cnn_cluster_any(cluster, rank == 0 ? 1 : rank == 2 ? 2 : 0) == 3;
    return none && last && both && cnn_cluster_any(cluster, 0) == 0;
}

static void test_a_flag_of_any_rank_is_seen_by_all(void **state)
{
    (void)state;
    for (size_t ranks = 3; ranks <= 8; ranks += 5)
        assert_int_equal(ranks_run(ranks, PATIENT, raise_flags, NULL), 0);
    assert_int_equal(cnn_cluster_any(NULL, 5), 5);
}

enum { BIG = 9 << 20, MESSAGES = 5 };

static void fill(unsigned char *data, size_t rank, size_t message, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = byte_of(rank + 16 * message, i);
}

/* Every rank sends every other a few messages, all of one tag but the last, and all at once. */
static bool talk(cnn_cluster *cluster, void *context)
{
    static const size_t sizes[MESSAGES] = {1, BIG, 0, 4096, 100};
    size_t ranks = cnn_cluster_ranks(cluster), rank = cnn_cluster_rank(cluster), count = 0;
    struct cnn_transfer transfers[2 * MESSAGES * RANKS_MOST] = {0};
    (void)context;
    for (size_t peer = 0; peer < ranks; peer++)
        for (size_t m = 0; m < MESSAGES && peer != rank; m++, count += 2) {
            unsigned tag = m == MESSAGES - 1 ? 9 : 3;
            transfers[count] = (struct cnn_transfer){
                .peer = peer, .tag = tag, .data = calloc(1, sizes[m] + 1), .bytes = sizes[m]};
            transfers[count + 1] = transfers[count];
            transfers[count + 1].data = calloc(1, sizes[m] + 1);
            fill(transfers[count + 1].data, rank, m, sizes[m]);
            cnn_cluster_receive(cluster, &transfers[count]);
            cnn_cluster_send(cluster, &transfers[count + 1]);
        }
    bool good = cnn_cluster_wait(cluster, transfers, count);
    unsigned char *expected = malloc(BIG);
    for (size_t i = 0; i < count; i += 2) {
        fill(expected, transfers[i].peer, i / 2 % MESSAGES, transfers[i].bytes);
        good = good && memcmp(expected, transfers[i].data, transfers[i].bytes) == 0;
    }
    for (size_t i = 0; i < count; i++)
        free(transfers[i].data);
    free(expected);
    double bytes = (double)((ranks - 1) * (1 + BIG + 4096 + 100));
    struct cnn_cluster_counts counts = cnn_cluster_counts(cluster);
    return good && counts.sent > bytes && counts.sent < bytes + 4096 && counts.received > bytes;
}

static void test_messages_arrive_whole_and_in_order(void **state)
{
    (void)state;
    assert_int_equal(ranks_run(2, PATIENT, talk, NULL), 0);
    assert_int_equal(ranks_run(4, PATIENT, talk, NULL), 0);
}

/* ---- Failure ---- */

struct trial {
    size_t culprit;
    bool stopped;      /* else it says what is wrong */
    double ended[8];   /* seconds until each rank knew it */
    char said[8][600]; /* what it then said */
    cnn_status status[8];
};

static bool misbehave(cnn_cluster *cluster, void *context)
{
    struct trial *trial = context;
    size_t rank = cnn_cluster_rank(cluster);
    cnn_diag *diag = cnn_diag_new();
    double begun = cnn_now();
    if (rank == trial->culprit && trial->stopped)
        raise(SIGKILL);
    if (rank == trial->culprit) {
        cnn_fail(diag, CNN_INVALID, NULL, "my disk is full");
        cnn_cluster_fail(cluster, CNN_INVALID, diag);
        cnn_diag_clear(diag);
    }
    char byte = 0;
    struct cnn_transfer never = {
        .peer = (rank + 1) % cnn_cluster_ranks(cluster), .tag = 1, .data = &byte, .bytes = 1};
    cnn_cluster_receive(cluster, &never);
    bool waited = cnn_cluster_wait(cluster, &never, 1);
    trial->ended[rank] = cnn_now() - begun;
    trial->status[rank] = cnn_cluster_check(cluster, diag);
    snprintf(trial->said[rank], sizeof *trial->said, "%s",
             cnn_diag_count(diag) ? cnn_diag_get(diag, 0)->text : "");
    cnn_diag_free(diag);
    return !waited && !cnn_cluster_broadcast(cluster, &byte, 1);
}

static void test_a_rank_that_fails_is_named_to_all(void **state)
{
    (void)state;
    struct trial *trial = ranks_shared(sizeof *trial);
    for (trial->culprit = 0; trial->culprit < 4; trial->culprit++) {
        assert_int_equal(ranks_run(4, PATIENT, misbehave, trial), 0);
        char name[16];
        snprintf(name, sizeof name, "rank %zu (", trial->culprit);
        for (size_t i = 0; i < 4; i++) {
            assert_true(strncmp(trial->said[i], name, strlen(name)) == 0);
            assert_non_null(strstr(trial->said[i], "): my disk is full"));
            assert_int_equal(trial->status[i], CNN_INVALID);
            assert_true(trial->ended[i] < 10);
        }
    }
}

static void test_a_rank_that_dies_is_named_to_all(void **state)
{
    (void)state;
    struct trial *trial = ranks_shared(sizeof *trial);
    trial->stopped = true;
    trial->culprit = 2;
    assert_int_equal(ranks_run(4, PATIENT, misbehave, trial), 1);
    for (size_t i = 0; i < 4; i++) {
        if (i == trial->culprit)
            continue;
        assert_true(strncmp(trial->said[i], "rank 2 (", 8) == 0);
        assert_non_null(strstr(trial->said[i], "the connection to it is lost"));
        assert_int_equal(trial->status[i], CNN_FAILED);
    }
}

/* One rank says so for all, or each would print it. */
static void test_a_rank_that_never_comes_is_told_by_one(void **state)
{
    (void)state;
    for (size_t missing = 0; missing < 3; missing += 2) {
        char(*said)[RANKS_TEXT] = ranks_shared(3 * sizeof *said);
        char name[16];
        snprintf(name, sizeof name, "rank %zu: ", missing);
        ranks_open_without(missing, 3, said);
        for (size_t i = 0; i < 3; i++)
            if (i == (missing == 0 ? 1 : 0))
                assert_memory_equal(said[i], name, strlen(name));
            else
                assert_string_equal(said[i], "");
    }
}

/* It sleeps without the cluster's thread, as a process does that was stopped. */
static bool hang(cnn_cluster *cluster, void *context)
{
    struct trial *trial = context;
    if (cnn_cluster_rank(cluster) == trial->culprit) {
        if (fork() == 0) {
            sleep(4);
            kill(getppid(), SIGKILL);
            _exit(0);
        }
        raise(SIGSTOP);
    }
    return misbehave(cluster, context);
}

static void test_a_rank_that_stops_answering_is_named_in_time(void **state)
{
    (void)state;
    struct trial *trial = ranks_shared(sizeof *trial);
    trial->stopped = true;
    for (trial->culprit = 0; trial->culprit < 3; trial->culprit += 2) {
        size_t other = trial->culprit == 0 ? 1 : 0;
        assert_int_equal(ranks_run(3, 1, hang, trial), 1);
        char name[16];
        snprintf(name, sizeof name, "rank %zu (", trial->culprit);
        assert_true(strncmp(trial->said[other], name, strlen(name)) == 0);
        assert_non_null(strstr(trial->said[other], "): it has not answered for 1 s"));
        assert_true(trial->ended[other] >= 0.9 && trial->ended[other] < 3.5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_rank_gets_what_all_bring),
        cmocka_unit_test(test_what_the_first_rank_says_comes_to_all),
        cmocka_unit_test(test_a_flag_of_any_rank_is_seen_by_all),
        cmocka_unit_test(test_messages_arrive_whole_and_in_order),
        cmocka_unit_test(test_a_rank_that_fails_is_named_to_all),
        cmocka_unit_test(test_a_rank_that_dies_is_named_to_all),
        cmocka_unit_test(test_a_rank_that_never_comes_is_told_by_one),
        cmocka_unit_test(test_a_rank_that_stops_answering_is_named_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

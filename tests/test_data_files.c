/* The raw files of MNIST and CIFAR, made small by the test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "datasets.h"
#include "scratch.h"

/* Three images of 2 x 3 pixels, whose pixels are 1, 2, 3, ... */
#define IMAGES                                                                                     \
    "\0\0\10\3\0\0\0\3\0\0\0\2\0\0\0\3"                                                            \
    "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22"
#define LABELS                  "\0\0\10\1\0\0\0\3\7\0\11"
#define WRITE(s, name, literal) scratch_write(s, name, literal, sizeof(literal) - 1)

static void write_gz(struct scratch *s, const char *name, const void *data, size_t size)
{
    gzFile gz = gzopen(scratch_path(s, name), "wb");
    assert_non_null(gz);
    assert_int_equal(gzwrite(gz, data, (unsigned)size), size);
    assert_int_equal(gzclose(gz), Z_OK);
}

static void expect_idx_refused(struct scratch *s, const char *text)
{
    struct cnn_images images;
    scratch_expect(s,
                   dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_mnist,
                                                           .path = s->folder,
                                                           .split = CNN_SPLIT_TRAIN},
                                &images, s->diag),
                   text);
}

static void check_idx(struct scratch *s, bool train, size_t limit, size_t count)
{
    static const uint16_t labels[] = {7, 0, 9};
    struct cnn_images images;
    assert_int_equal(
        dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_mnist,
                                                .path = s->folder,
                                                .split = train ? CNN_SPLIT_TRAIN : CNN_SPLIT_TEST,
                                                .limit = limit},
                     &images, s->diag),
        CNN_OK);
    assert_int_equal(images.count, count);
    assert_int_equal(images.channels, 1);
    assert_int_equal(images.height, 2);
    assert_int_equal(images.width, 3);
    for (size_t i = 0; i < count * 6; i++)
        assert_int_equal(images.pixels[i], i + 1);
    assert_memory_equal(images.labels, labels, count * sizeof *labels);
    assert_int_equal(images.class_count, 10);
    assert_string_equal(images.class_names[9], "9");
    cnn_images_free(&images);
    assert_null(images.pixels);
}

static void test_idx_is_read_when_plain_or_gzipped_or_with_a_dot(void **state)
{
    struct scratch *s = *state;
    WRITE(s, "train-images-idx3-ubyte", IMAGES);
    write_gz(s, "train-labels-idx1-ubyte.gz", LABELS, sizeof LABELS - 1);
    check_idx(s, true, 0, 3);
    write_gz(s, "t10k-images.idx3-ubyte.gz", IMAGES, sizeof IMAGES - 1);
    WRITE(s, "t10k-labels.idx1-ubyte", LABELS);
    check_idx(s, false, 0, 3);
    check_idx(s, false, 2, 2);
    check_idx(s, true, 1, 1);
    check_idx(s, true, 3, 3);
    check_idx(s, true, 100, 3);
}

static void test_idx_says_what_it_looked_for_when_missing(void **state)
{
    struct scratch *s = *state;
    struct cnn_images images;
    const char *names = "train-images-idx3-ubyte[.gz] or train-images.idx3-ubyte[.gz]";
    char text[256];
    snprintf(
        text, sizeof text,
        "cannot read MNIST from the folder DIR/none: No such file or directory (looked for %s)",
        names);
    cnn_status status = dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_mnist,
                                                                .path = scratch_path(s, "none"),
                                                                .split = CNN_SPLIT_TRAIN},
                                     &images, s->diag);
    const char *hint = cnn_diag_get(s->diag, 0)->hint;
    assert_non_null(strstr(hint, "data.path or --data"));
    assert_non_null(strstr(hint, "11.6 MB"));
    assert_non_null(strstr(hint, "https://ossci-datasets.s3.amazonaws.com/mnist/"));
    assert_non_null(strstr(hint, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609 "
                                 "train-images-idx3"));
    assert_true(strlen(hint) < 1000); /* what is shown of one */
    scratch_expect(s, status, text);
    snprintf(text, sizeof text, "cannot read MNIST from the folder DIR: it has no %s", names);
    expect_idx_refused(s, text);
    WRITE(s, "train-images-idx3-ubyte", IMAGES);
    scratch_expect(s,
                   dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_mnist,
                                                           .path = s->path,
                                                           .split = CNN_SPLIT_TRAIN},
                                &images, s->diag),
                   "cannot read MNIST from DIR/train-images-idx3-ubyte: it is no folder");
    expect_idx_refused(s, "cannot read MNIST from the folder DIR: it has no "
                          "train-labels-idx1-ubyte[.gz] or train-labels.idx1-ubyte[.gz]");
    assert_int_equal(mkdir(scratch_path(s, "train-labels-idx1-ubyte"), 0777), 0);
    expect_idx_refused(s, "cannot read DIR/train-labels-idx1-ubyte: it is a directory");
}

static void test_idx_is_refused_when_its_images_are_damaged(void **state)
{
    struct scratch *s = *state;
    WRITE(s, "train-labels-idx1-ubyte", LABELS);
    WRITE(s, "train-images-idx3-ubyte", "");
    expect_idx_refused(s, "DIR/train-images-idx3-ubyte is empty");
    WRITE(s, "train-images-idx3-ubyte", "\0\0\10\3\0\0\0");
    expect_idx_refused(
        s, "DIR/train-images-idx3-ubyte is cut short: its header has 16 bytes, 7 are there");
    WRITE(s, "train-images-idx3-ubyte", LABELS "........");
    expect_idx_refused(s, "DIR/train-images-idx3-ubyte is no IDX file of images: it begins with "
                          "0x00000801, 0x00000803 would be right");
    scratch_write(s, "train-images-idx3-ubyte", IMAGES, sizeof IMAGES - 2);
    expect_idx_refused(s, "DIR/train-images-idx3-ubyte: its header claims 3 images of 2 x 3 "
                          "pixels, which makes a file of 34 bytes, but it has 33");
    scratch_write(s, "train-images-idx3-ubyte", IMAGES, sizeof IMAGES);
    expect_idx_refused(s, "DIR/train-images-idx3-ubyte: its header claims 3 images of 2 x 3 "
                          "pixels, which makes a file of 34 bytes, but it has 35");
    WRITE(s, "train-images-idx3-ubyte", "\0\0\10\3\0\0\0\0\0\0\0\2\0\0\0\3");
    expect_idx_refused(s, "DIR/train-images-idx3-ubyte: its header claims 0 images of 2 x 3 "
                          "pixels: there is nothing to read");
    WRITE(s, "train-images-idx3-ubyte",
          "\0\0\10\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    expect_idx_refused(s, "DIR/train-images-idx3-ubyte: its header claims 4294967295 images of "
                          "4294967295 x 4294967295 pixels: more than can be read");
    WRITE(s, "train-images-idx3-ubyte", "\0\0\10\3\0\1\0\0\0\0\1\0\0\0\1\1");
    expect_idx_refused(s, "DIR/train-images-idx3-ubyte: its header claims 65536 images of 256 x "
                          "257 pixels: more than can be read");
}

static void test_idx_is_refused_when_its_gzipped_images_are_damaged(void **state)
{
    struct scratch *s = *state;
    const char *name = "train-images-idx3-ubyte.gz";
    WRITE(s, "train-labels-idx1-ubyte", LABELS);
    WRITE(s, name, IMAGES);
    expect_idx_refused(
        s, "DIR/train-images-idx3-ubyte.gz is not gzipped, although its name ends in .gz");
    WRITE(s, name, "");
    expect_idx_refused(s, "DIR/train-images-idx3-ubyte.gz is empty");
    write_gz(s, name, IMAGES, sizeof IMAGES - 2);
    expect_idx_refused(s, "DIR/train-images-idx3-ubyte.gz is cut short: 18 bytes should follow its "
                          "header, 17 are there");
    write_gz(s, name, IMAGES, sizeof IMAGES);
    expect_idx_refused(
        s, "DIR/train-images-idx3-ubyte.gz goes on after the 18 bytes that its header describes");
    /* Almost 4 GiB, says the header of a small file. */
    write_gz(s, name, "\0\0\10\3\0\0\377\377\0\0\1\0\0\0\0\377", 16);
    char message[256];
    struct stat info;
    assert_int_equal(stat(scratch_path(s, name), &info), 0);
    snprintf(message, sizeof message,
             "DIR/%s: its header claims 65535 images of 256 x 255 pixels, 4278124800 bytes, too "
             "many for a gzipped file of %d (at most 100 for each)",
             name, (int)info.st_size);
    expect_idx_refused(s, message);
    /* 64 MB: what is not there takes no memory. */
    write_gz(s, name, "\0\0\10\3\0\0\3\377\0\0\1\0\0\0\0\377", 16);
    remove(scratch_path(s, "train-labels-idx1-ubyte"));
    uint8_t labels[8 + 1023] = {0, 0, 8, 1, 0, 0, 3, 255};
    write_gz(s, "train-labels-idx1-ubyte.gz", labels, sizeof labels);
    expect_idx_refused(s, "DIR/train-images-idx3-ubyte.gz is cut short: 66781440 bytes should "
                          "follow its header, 0 are there");
}

static void test_idx_is_refused_when_the_compressed_bytes_are_damaged(void **state)
{
    struct scratch *s = *state;
    unsigned char bytes[256];
    WRITE(s, "train-labels-idx1-ubyte", LABELS);
    write_gz(s, "train-images-idx3-ubyte.gz", IMAGES, sizeof IMAGES - 1);
    FILE *file = fopen(s->path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    bytes[size - 6] ^= 1; /* of the checksum */
    scratch_write(s, "train-images-idx3-ubyte.gz", bytes, size);
    expect_idx_refused(s,
                       "cannot read DIR/train-images-idx3-ubyte.gz: its gzipped data are damaged");
    scratch_write(s, "train-images-idx3-ubyte.gz", bytes, 11);
    expect_idx_refused(
        s, "DIR/train-images-idx3-ubyte.gz is cut short: its header has 16 bytes, 0 are there");
}

static void test_idx_is_refused_when_labels_do_not_fit(void **state)
{
    struct scratch *s = *state;
    WRITE(s, "train-images-idx3-ubyte", IMAGES);
    WRITE(s, "train-labels-idx1-ubyte", "\0\0\10\1\0\0\0\2\7\0");
    expect_idx_refused(
        s,
        "DIR/train-images-idx3-ubyte has 3 images, but DIR/train-labels-idx1-ubyte has 2 labels");
    WRITE(s, "train-labels-idx1-ubyte", "\0\0\10\1\0\0\0\3\7\0");
    expect_idx_refused(s, "DIR/train-labels-idx1-ubyte: its header claims 3 labels, which makes a "
                          "file of 11 bytes, but it has 10");
    struct cnn_images images;
    WRITE(s, "train-labels-idx1-ubyte", "\0\0\10\1\0\0\0\3\7\12\0");
    scratch_expect(
        s,
        dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_fashion_mnist,
                                                .path = s->folder,
                                                .split = CNN_SPLIT_TRAIN},
                     &images, s->diag),
        "DIR/train-labels-idx1-ubyte: label 2, at byte 9, is 10; labels are from 0 to 9");
    remove(scratch_path(s, "train-labels-idx1-ubyte"));
    write_gz(s, "train-labels-idx1-ubyte.gz", "\0\0\10\1\0\0\0\3\7\377\0", 11);
    scratch_expect(
        s,
        dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_fashion_mnist,
                                                .path = s->folder,
                                                .split = CNN_SPLIT_TRAIN},
                     &images, s->diag),
        "DIR/train-labels-idx1-ubyte.gz: label 2, at byte 9 of the unzipped data, is 255; labels "
        "are from 0 to 9");
}

/* Writes labels of both splits with as many images of 1 x 1 pixel. */
static void write_labels(struct scratch *s, const char *begin, const char *test_word,
                         const uint8_t *train, const uint8_t *test)
{
    const struct {
        const char *word;
        const uint8_t *labels;
    } splits[] = {{"train", train}, {test_word, test}};
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        uint8_t bytes[32] = {0, 0, 8, 1, 0, 0, 0, 3};
        memcpy(bytes + 8, splits[i].labels, 3);
        snprintf(name, sizeof name, "%s%s-labels-idx1-ubyte", begin, splits[i].word);
        scratch_write(s, name, bytes, 11);
        memcpy(bytes, "\0\0\10\3\0\0\0\3\0\0\0\1\0\0\0\1", 16);
        snprintf(name, sizeof name, "%s%s-images-idx3-ubyte", begin, splits[i].word);
        scratch_write(s, name, bytes, 19);
    }
}

static void expect_classes(struct scratch *s, const char *path, size_t count, const char *first,
                           const uint16_t labels[2][3])
{
    for (size_t train = 0; train < 2; train++) {
        struct cnn_images images;
        assert_int_equal(
            dataset_read(
                &(struct cnn_data_request){.format = &cnn_dataset_format_mnist,
                                           .path = path,
                                           .split = train ? CNN_SPLIT_TRAIN : CNN_SPLIT_TEST},
                &images, s->diag),
            CNN_OK);
        assert_int_equal(images.class_count, count);
        assert_string_equal(images.class_names[0], first);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(images.labels[i], labels[!train][i]);
        cnn_images_free(&images);
    }
}

/* The same classes in both splits, whichever labels one of them has. */
static void test_idx_has_the_classes_that_its_labels_have(void **state)
{
    struct scratch *s = *state;
    write_labels(s, "", "t10k", (uint8_t[]){0, 1, 1}, (uint8_t[]){1, 1, 1});
    expect_classes(s, s->folder, 2, "0", (const uint16_t[2][3]){{0, 1, 1}, {1, 1, 1}});
    write_labels(s, "", "t10k", (uint8_t[]){1, 20, 3}, (uint8_t[]){26, 25, 2});
    expect_classes(s, s->folder, 26, "1", (const uint16_t[2][3]){{0, 19, 2}, {25, 24, 1}});
    write_labels(s, "", "t10k", (uint8_t[]){46, 45, 44}, (uint8_t[]){0, 1, 2});
    expect_classes(s, s->folder, 47, "0", (const uint16_t[2][3]){{46, 45, 44}, {0, 1, 2}});
    write_labels(s, "", "t10k", (uint8_t[]){0, 255, 7}, (uint8_t[]){0, 1, 2});
    expect_classes(s, s->folder, 256, "0", (const uint16_t[2][3]){{0, 255, 7}, {0, 1, 2}});
    /* the limit cuts images, not classes */
    struct cnn_images images;
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_mnist,
                                                             .path = s->folder,
                                                             .split = CNN_SPLIT_TRAIN,
                                                             .limit = 1},
                                  &images, s->diag),
                     CNN_OK);
    assert_true(images.count == 1 && images.class_count == 256);
    cnn_images_free(&images);
    /* where the other split is not there, the one has to do */
    remove(scratch_path(s, "train-labels-idx1-ubyte"));
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_mnist,
                                                             .path = s->folder,
                                                             .split = CNN_SPLIT_TEST},
                                  &images, s->diag),
                     CNN_OK);
    assert_int_equal(images.class_count, 3);
    cnn_images_free(&images);
}

/* EMNIST's names. */
static void test_idx_is_found_when_the_path_is_what_the_names_begin_with(void **state)
{
    struct scratch *s = *state;
    write_labels(s, "emnist-letters-", "test", (uint8_t[]){1, 2, 3}, (uint8_t[]){3, 3, 3});
    struct cnn_images images;
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_mnist,
                                                             .path = s->folder,
                                                             .split = CNN_SPLIT_TRAIN},
                                  &images, s->diag),
                     CNN_FAILED);
    char expected[160];
    snprintf(expected, sizeof expected, "path: %s/emnist-letters reads", s->folder);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->hint, expected));
    cnn_diag_clear(s->diag);
    expect_classes(s, scratch_path(s, "emnist-letters"), 3, "1",
                   (const uint16_t[2][3]){{0, 1, 2}, {2, 2, 2}});
}

static void test_fashion_has_names_and_a_folder_of_its_own(void **state)
{
    struct scratch *s = *state;
    struct cnn_images images;
    assert_int_equal(mkdir(scratch_path(s, "fashion-mnist"), 0777), 0);
    write_labels(s, "fashion-mnist/", "t10k", (uint8_t[]){9, 0, 9}, (uint8_t[]){5, 5, 5});
    assert_int_equal(setenv("CNN_DATA", s->folder, 1), 0);
    char *folder = cnn_known_folder(&cnn_dataset_format_fashion_mnist);
    assert_string_equal(folder, scratch_path(s, "fashion-mnist"));
    assert_int_equal(
        dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_fashion_mnist,
                                                .path = folder,
                                                .split = CNN_SPLIT_TRAIN},
                     &images, s->diag),
        CNN_OK);
    assert_int_equal(images.class_count, 10);
    assert_string_equal(images.class_names[0], "T-shirt/top");
    assert_string_equal(images.class_names[9], "Ankle boot");
    assert_int_equal(images.labels[0], 9);
    cnn_images_free(&images);
    free(folder);
    assert_int_equal(
        dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_fashion_mnist,
                                                .path = scratch_path(s, "none"),
                                                .split = CNN_SPLIT_TRAIN},
                     &images, s->diag),
        CNN_FAILED);
    assert_non_null(
        strstr(cnn_diag_get(s->diag, 0)->hint, "apt-get install dataset-fashion-mnist, or"));
    assert_true(strlen(cnn_diag_get(s->diag, 0)->hint) < 1000);
    assert_int_equal(unsetenv("CNN_DATA"), 0);
}

enum { RECORD = 3072 };

static uint8_t plane_value(size_t record, size_t plane, size_t i)
{
    return (uint8_t)(record * 50 + plane * 90 + i);
}

/* count records; the label bytes of record i are first + i, the one before it (CIFAR-100) 200. */
static void write_cifar(struct scratch *s, const char *name, size_t label_bytes, uint8_t first,
                        size_t count)
{
    static uint8_t bytes[10 * (2 + RECORD)];
    uint8_t *at = bytes;
    for (size_t record = 0; record < count; record++) {
        if (label_bytes == 2)
            *at++ = 200;
        *at++ = (uint8_t)(first + record);
        for (size_t plane = 0; plane < 3; plane++)
            for (size_t i = 0; i < 1024; i++)
                *at++ = plane_value(record, plane, i);
    }
    scratch_write(s, name, bytes, (size_t)(at - bytes));
}

static void check_pixels(const struct cnn_images *images, size_t image, size_t record)
{
    for (size_t i = 0; i < 1024; i++)
        for (size_t c = 0; c < 3; c++)
            assert_int_equal(images->pixels[image * RECORD + i * 3 + c], plane_value(record, c, i));
}

static void test_cifar10_is_read_channels_last_when_all_is_there(void **state)
{
    struct scratch *s = *state;
    struct cnn_images images;
    for (int i = 1; i <= 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        write_cifar(s, name, 1, (uint8_t)i, 2);
    }
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_cifar10,
                                                             .path = s->folder,
                                                             .split = CNN_SPLIT_TRAIN},
                                  &images, s->diag),
                     CNN_OK);
    assert_int_equal(images.count, 10);
    assert_int_equal(images.channels * 10000 + images.height * 100 + images.width, 33232);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(images.labels[i], 1 + i / 2 + i % 2);
        check_pixels(&images, i, i % 2);
    }
    assert_int_equal(images.class_count, 10);
    assert_string_equal(images.class_names[9], "truck");
    cnn_images_free(&images);
}

static void test_cifar10_files_are_left_alone_when_the_limit_is_reached(void **state)
{
    struct scratch *s = *state;
    struct cnn_images images;
    write_cifar(s, "data_batch_1.bin", 1, 0, 2);
    write_cifar(s, "data_batch_2.bin", 1, 5, 2);
    for (size_t limit = 1; limit <= 4; limit++) {
        assert_int_equal(
            dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_cifar10,
                                                    .path = s->folder,
                                                    .split = CNN_SPLIT_TRAIN,
                                                    .limit = limit},
                         &images, s->diag),
            CNN_OK);
        assert_int_equal(images.count, limit);
        cnn_images_free(&images);
    }
    scratch_expect(s,
                   dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_cifar10,
                                                           .path = s->folder,
                                                           .split = CNN_SPLIT_TRAIN,
                                                           .limit = 5},
                                &images, s->diag),
                   "cannot read CIFAR-10 from the folder DIR: it has no data_batch_3.bin");
}

static void test_cifar100_takes_the_fine_labels_when_read(void **state)
{
    struct scratch *s = *state;
    struct cnn_images images;
    write_cifar(s, "test.bin", 2, 97, 3);
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_cifar100,
                                                             .path = s->folder,
                                                             .split = CNN_SPLIT_TEST},
                                  &images, s->diag),
                     CNN_OK);
    assert_int_equal(images.count, 3);
    assert_int_equal(images.labels[0], 97);
    assert_int_equal(images.labels[2], 99);
    check_pixels(&images, 2, 2);
    assert_int_equal(images.class_count, 100);
    assert_string_equal(images.class_names[42], "42");
    cnn_images_free(&images);
    scratch_expect(s,
                   dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_cifar100,
                                                           .path = s->folder,
                                                           .split = CNN_SPLIT_TRAIN},
                                &images, s->diag),
                   "cannot read CIFAR-100 from the folder DIR: it has no train.bin");
}

static void test_cifar_class_names_come_from_the_folder_when_it_has_them(void **state)
{
    struct scratch *s = *state;
    struct cnn_images images;
    write_cifar(s, "test_batch.bin", 1, 0, 1);
    WRITE(s, "batches.meta.txt", "a\nb \r\nc\nd\n\ne f\ng\nh\ni\nj\nk\n\n");
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_cifar10,
                                                             .path = s->folder,
                                                             .split = CNN_SPLIT_TEST},
                                  &images, s->diag),
                     CNN_OK);
    assert_string_equal(images.class_names[0], "a");
    assert_string_equal(images.class_names[1], "b");
    assert_string_equal(images.class_names[4], "e f");
    assert_string_equal(images.class_names[9], "k");
    cnn_images_free(&images);
    WRITE(s, "batches.meta.txt", "a\nb\n");
    scratch_expect(s,
                   dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_cifar10,
                                                           .path = s->folder,
                                                           .split = CNN_SPLIT_TEST},
                                &images, s->diag),
                   "DIR/batches.meta.txt has 2 class names, CIFAR-10 has 10 classes");
}

static void test_cifar_is_refused_when_damaged(void **state)
{
    struct scratch *s = *state;
    struct cnn_images images;
    scratch_write(s, "test_batch.bin", "", 0);
    scratch_expect(s,
                   dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_cifar10,
                                                           .path = s->folder,
                                                           .split = CNN_SPLIT_TEST},
                                &images, s->diag),
                   "DIR/test_batch.bin is empty");
    write_cifar(s, "test_batch.bin", 2, 0, 2);
    scratch_expect(s,
                   dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_cifar10,
                                                           .path = s->folder,
                                                           .split = CNN_SPLIT_TEST},
                                &images, s->diag),
                   "DIR/test_batch.bin has 6148 bytes, which is no multiple of the 3073 bytes of a "
                   "record: 2 records and 2 bytes more");
    write_cifar(s, "test_batch.bin", 1, 8, 3);
    scratch_expect(
        s,
        dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_cifar10,
                                                .path = s->folder,
                                                .split = CNN_SPLIT_TEST},
                     &images, s->diag),
        "DIR/test_batch.bin: the label of record 3, at byte 6146, is 10; labels are from 0 to 9");
    write_cifar(s, "test.bin", 2, 99, 2);
    scratch_expect(
        s,
        dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_cifar100,
                                                .path = s->folder,
                                                .split = CNN_SPLIT_TEST},
                     &images, s->diag),
        "DIR/test.bin: the label of record 2, at byte 3075, is 100; labels are from 0 to 99");
    remove(scratch_path(s, "test.bin"));
    assert_int_equal(mkdir(scratch_path(s, "test.bin"), 0777), 0);
    scratch_expect(s,
                   dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_cifar100,
                                                           .path = s->folder,
                                                           .split = CNN_SPLIT_TEST},
                                &images, s->diag),
                   "cannot read DIR/test.bin: it is a directory");
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SCRATCH(test_idx_is_read_when_plain_or_gzipped_or_with_a_dot),
        WITH_SCRATCH(test_idx_says_what_it_looked_for_when_missing),
        WITH_SCRATCH(test_idx_is_refused_when_its_images_are_damaged),
        WITH_SCRATCH(test_idx_is_refused_when_its_gzipped_images_are_damaged),
        WITH_SCRATCH(test_idx_is_refused_when_the_compressed_bytes_are_damaged),
        WITH_SCRATCH(test_idx_is_refused_when_labels_do_not_fit),
        WITH_SCRATCH(test_idx_has_the_classes_that_its_labels_have),
        WITH_SCRATCH(test_idx_is_found_when_the_path_is_what_the_names_begin_with),
        WITH_SCRATCH(test_fashion_has_names_and_a_folder_of_its_own),
        WITH_SCRATCH(test_cifar10_is_read_channels_last_when_all_is_there),
        WITH_SCRATCH(test_cifar10_files_are_left_alone_when_the_limit_is_reached),
        WITH_SCRATCH(test_cifar100_takes_the_fine_labels_when_read),
        WITH_SCRATCH(test_cifar_class_names_come_from_the_folder_when_it_has_them),
        WITH_SCRATCH(test_cifar_is_refused_when_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

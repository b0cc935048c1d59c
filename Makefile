# cnn: `make` builds build/cnn; `make help` lists the rest.
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
CC ?= gcc
VERSION := $(shell sed -n 's/^\#define CNN_VERSION "\(.*\)"/\1/p' src/include/cnn.h)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla $(WERROR)
CFLAGS ?= -O2 -g
CPPFLAGS += -D_POSIX_C_SOURCE=200809L -DCNN_DATADIR='"$(PREFIX)/share/cnn"'
COMMON := -std=c11 -fopenmp -fno-math-errno $(WARNINGS) $(SANITIZE)
LIBS := -lyaml -ljansson -lz -lm -lpthread

# Vector kernels: every file of src/kernels/vector/ is compiled once per instruction set.
ARCH := $(shell $(CC) -dumpmachine | cut -d- -f1)
ifeq ($(ARCH),x86_64)
ISAS := sse2 avx2 avx512
else
ISAS := vec128
endif
FLAGS_sse2 := -msse2
FLAGS_avx2 := -mavx2 -mfma
FLAGS_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
FLAGS_vec128 :=

LIB_SRC := $(filter-out src/kernels/vector/%,$(wildcard src/*/*.c))
VECTOR_SRC := $(wildcard src/kernels/vector/*.c)
CLI_SRC := $(wildcard cnn-cli/*.c)
TEST_SRC := $(wildcard tests/test_*.c)
TEST_HELP_SRC := $(filter-out $(TEST_SRC),$(wildcard tests/*.c))

LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) $(foreach isa,$(ISAS),$(VECTOR_SRC:%.c=$(BUILD)/obj/%.$(isa).o))
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/obj/%.o)
TEST_BIN := $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
TEST_HELP_OBJ := $(TEST_HELP_SRC:%.c=$(BUILD)/obj/%.o)

all: $(BUILD)/cnn

$(BUILD)/cnn: $(CLI_OBJ) $(BUILD)/libcnn.a
	$(CC) $(COMMON) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/libcnn.a: $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^

# The program sees the public header only, so the compiler keeps the boundary.
$(BUILD)/obj/cnn-cli/%.o: cnn-cli/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Isrc/include -Icnn-cli $(COMMON) $(CFLAGS) -MMD -MP -c -o $@ $<

define vector_rule
$(BUILD)/obj/src/kernels/vector/%.$(1).o: src/kernels/vector/%.c
	@mkdir -p $$(@D)
	$(CC) $(CPPFLAGS) -DCNN_ISA=$(1) -Isrc -Isrc/include $(COMMON) $(CFLAGS) -O3 -ffp-contract=fast $(FLAGS_$(1)) -MMD -MP -c -o $$@ $$<
endef
$(foreach isa,$(ISAS),$(eval $(call vector_rule,$(isa))))

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Isrc -Isrc/include $(COMMON) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(TEST_HELP_OBJ) $(BUILD)/libcnn.a
	@mkdir -p $(@D)
	$(CC) $(COMMON) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

clean:
	rm -rf $(BUILD)

.PHONY: all clean
.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

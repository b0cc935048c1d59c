# cnn: `make` builds build/cnn; `make help` lists the rest. `make BUILD=dir` builds elsewhere.
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
VERSION := $(shell sed -n 's/^\#define CNN_VERSION "\(.*\)"/\1/p' src/include/cnn.h)

# Short lines say what is made; `make V=1` prints the commands, `make -s` nothing.
Q := $(if $(V),,@)
SILENT := $(findstring s,$(firstword -$(MAKEFLAGS)))
say = $(if $(V)$(SILENT),,@printf '  %-6s %s\n' $(1) $(2))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla $(WERROR)
CFLAGS ?= -O2 -g1
CPPFLAGS += -D_POSIX_C_SOURCE=200809L
COMMON := -std=c11 -fno-math-errno $(WARNINGS) $(SANITIZE)
space := $(subst ,, )
# Libraries that decode pictures, where they are found: `make IMAGE_LIBS=` does without.
IMAGE_LIBS := $(foreach name,libjpeg libpng libwebp,$(shell pkg-config --exists $(name) 2>/dev/null && echo $(name)))
LIBS := $(foreach name,$(IMAGE_LIBS),$(shell pkg-config --libs-only-l $(name))) -lyaml -lz -lm -lpthread

# What `make deps` installs, to build, read and test; and what `make deps-dev` adds, to change the sources. clang's tools are of one version everywhere,
# for others format and warn otherwise.
PACKAGES := gcc g++ libc6-dev make pkg-config libyaml-dev libjansson-dev zlib1g-dev libstb-dev libcmocka-dev \
            libjpeg-dev libpng-dev libwebp-dev mandoc
DEV_PACKAGES := clang-format-14 clang-tidy-14 clang-14 llvm-14 lld-14 libclang-rt-14-dev shellcheck
# Compilers and emulators of microcontrollers, for tests/boards.sh.
BOARD_PACKAGES := gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm gcc-riscv64-linux-gnu libc6-dev-riscv64-cross qemu-user

# MPIs that are found: each gets a plugin, which the program opens when a launcher of that MPI has started it. `make MPIS=` does without.
MPI_PACKAGES := openmpi-bin libopenmpi-dev mpich libmpich-dev
MPICC_openmpi := $(shell command -v mpicc.openmpi || { mpicc --showme:version >/dev/null 2>&1 && echo mpicc; })
MPICC_mpich := $(shell command -v mpicc.mpich || { mpicc --showme:version >/dev/null 2>&1 || command -v mpicc; })
MPIS := $(foreach name,openmpi mpich,$(if $(MPICC_$(name)),$(name)))

# Vector kernels: every file of src/kernels/vector/ is compiled once per instruction set. Those that add
# instructions for bytes or bfloat16 to another one have anew only their table and what uses these
# (kernels/vector/vector.h). ISAS=vec128 makes of x86-64 a machine like any other.
ARCH := $(firstword $(subst -, ,$(or $(shell $(CC) -dumpmachine 2>/dev/null),$(shell uname -m))))
ifeq ($(ARCH),x86_64)
ISAS := sse2 avx2 avxvnni avx512 avx512vnni avx512bf16
else
ISAS := vec128
endif
OPTIMIZE := -O3
FLAGS_sse2 := -DCNN_ISA=sse2 -msse2
FLAGS_avx2 := -DCNN_ISA=avx2 -mavx2 -mfma
FLAGS_avxvnni := $(FLAGS_avx2) -mavxvnni -DCNN_ISA_INT8=avxvnni
FLAGS_avx512 := -DCNN_ISA=avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
FLAGS_avx512vnni := $(FLAGS_avx512) -mavx512vnni -DCNN_ISA_INT8=avx512vnni
FLAGS_avx512bf16 := $(FLAGS_avx512vnni) -mavx512bf16 -DCNN_ISA_BF16=avx512bf16
FLAGS_halves := $(FLAGS_avx512bf16) -DCNN_HALVES
FLAGS_vec128 := -DCNN_ISA=vec128 -U__SSE2__

VECTOR_SRC := $(filter-out %_halves.c,$(wildcard src/kernels/vector/*.c))
VECTOR_BF16 := $(addprefix src/kernels/vector/,conv_backward_data.c conv_backward_weights.c conv_forward.c conv_pack.c \
                 conv_scratch.c conv_weights_cut.c conv_work.c correlation.c dense.c gemm_bf16.c pack.c peak_pairs.c windows.c)
VECTOR_INT8 := $(addprefix src/kernels/vector/,conv_int8.c depthwise_int8.c gemm_int8.c peak_bytes.c)
VECTOR_SRC_avxvnni := $(VECTOR_INT8) src/kernels/vector/table.c
VECTOR_SRC_avx512vnni := $(VECTOR_SRC_avxvnni)
VECTOR_SRC_avx512bf16 := $(VECTOR_BF16) src/kernels/vector/table.c
# What reads and writes values that are stored as bfloat16: not a set of its own, but avx512bf16's second table.
VECTOR_HALVES := activation.c depthwise.c depthwise_weights.c group_norm.c move_halves.c norm.c norm_backward.c norm_forward.c norm_pool.c pool.c scale.c sum.c table_halves.c winograd.c winograd_pack.c winograd_weights.c
VECTOR_SRC_halves := $(addprefix src/kernels/vector/,$(VECTOR_HALVES))
VECTOR_SETS := $(ISAS) $(if $(filter avx512bf16,$(ISAS)),halves)
VECTOR_OBJ := $(foreach isa,$(VECTOR_SETS),$(patsubst %.c,$(BUILD)/obj/%.$(isa).o,$(or $(VECTOR_SRC_$(isa)),$(VECTOR_SRC))))

LIB_SRC := $(filter-out src/kernels/vector/%,$(wildcard src/*/*.c))
CLI_SRC := $(wildcard cnn-cli/*.c)
TEST_SRC := $(wildcard tests/test_*.c)
TEST_HELP_SRC := $(filter-out $(TEST_SRC),$(wildcard tests/*.c))
TSAN_TESTS := test_util test_runner test_fuse test_folder test_stream test_loader test_train test_cluster test_ranks
FUZZ_SRC := $(wildcard tests/fuzz/*.c)
# Programs that test scripts use, and libraries that they put in front of the C library's functions (LD_PRELOAD).
TOOL_SRC := $(wildcard tests/tools/*.c)
PRELOAD_SRC := $(wildcard tests/preload/*.c)
EXAMPLE_SRC := $(wildcard examples/*.c)
TEST_SCRIPTS := $(wildcard tests/*/run.sh) $(filter-out tests/run.sh tests/cases.sh,$(wildcard tests/*.sh))

LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) $(VECTOR_OBJ)
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/obj/%.o)
TEST_HELP_OBJ := $(TEST_HELP_SRC:%.c=$(BUILD)/obj/%.o)
TEST_BIN := $(TEST_SRC:%.c=$(BUILD)/%)
FUZZ_BIN := $(FUZZ_SRC:%.c=$(BUILD)/%)
TOOL_BIN := $(TOOL_SRC:%.c=$(BUILD)/%)
PRELOAD_LIB := $(PRELOAD_SRC:%.c=$(BUILD)/%.so)
EXAMPLE_BIN := $(EXAMPLE_SRC:%.c=$(BUILD)/%)
MAN := $(sort $(patsubst man/%,$(BUILD)/man/%,$(wildcard man/*.[157])) $(BUILD)/man/cnn-model.5)

# Only the functions of cnn.h leave the library, whose other names are hidden; src/libcnn.map lists them.
SOVERSION := 0
SHARED_LIB := $(BUILD)/libcnn.so.$(SOVERSION)
OBJCOPY = $(shell $(CC) -print-prog-name=objcopy)
$(LIB_OBJ) $(BUILD)/obj/intrinsics.%: COMMON += -fPIC -fvisibility=hidden

COMPLETION := $(foreach shell,bash zsh fish,$(BUILD)/completion/$(shell))

MPI_PLUGINS := $(MPIS:%=$(BUILD)/cnn-mpi-%.so)

all: $(BUILD)/cnn $(BUILD)/libcnn.a $(SHARED_LIB) $(MAN) $(COMPLETION) $(MPI_PLUGINS) ## the program, the library and the manual (the default)

$(BUILD)/cnn: $(CLI_OBJ) $(BUILD)/obj/libcnn.a
	$(call say,LD,$@)
	$(Q)$(CC) $(COMMON) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# With every name, for the program and the tests.
$(BUILD)/obj/libcnn.a: $(LIB_OBJ)
	$(call say,AR,$@)
	@rm -f $@
	$(Q)ar rcs $@ $^

# One object, so that hidden names can become local: a user's own stb or helper functions do not collide.
$(BUILD)/libcnn.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)$(CC) -r -nostdlib -o $(BUILD)/obj/libcnn.o $^
	$(Q)$(OBJCOPY) --localize-hidden $(BUILD)/obj/libcnn.o
	@rm -f $@
	$(Q)ar rcs $@ $(BUILD)/obj/libcnn.o

$(SHARED_LIB): $(LIB_OBJ) src/libcnn.map
	$(call say,LD,$@)
	$(Q)$(CC) $(COMMON) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(@F) -Wl,--version-script=src/libcnn.map -o $@ $(LIB_OBJ) $(LIBS)
	$(Q)ln -sf $(@F) $(BUILD)/libcnn.so

# The program and the examples see the public header only, so the compiler keeps the boundary.
$(BUILD)/obj/cnn-cli/%.o: cnn-cli/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) -Isrc/include -Icnn-cli $(COMMON) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/examples/%.o: examples/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) -Isrc/include $(COMMON) $(CFLAGS) -MMD -MP -c -o $@ $<

# GCC takes long to read its header of instructions (vector.h includes it). Reading it once for all files of a set saves a
# quarter of the time of `make`; clang has no need of it. `make PRECOMPILED=` does without. ccache keeps such objects only
# where CCACHE_SLOPPINESS=pch_defines,time_macros is set.
CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null))
PRECOMPILED := $(if $(CLANG),,$(filter avx2 avx512 avx512bf16 halves,$(VECTOR_SETS)))
intrinsics = $(if $(filter $(1),$(PRECOMPILED)),$(BUILD)/obj/intrinsics.$(1).h)
vector_flags = $(COMMON) $(CFLAGS) $(OPTIMIZE) -ffp-contract=fast $(FLAGS_$(1))

define vector_rule
$(BUILD)/obj/src/kernels/vector/%.$(1).o: src/kernels/vector/%.c $(addsuffix .gch,$(call intrinsics,$(1)))
	@mkdir -p $$(@D)
	$$(call say,CC,'$$< ($(1))')
	$$(Q)$$(CC) $$(CPPFLAGS) -DCNN_TABLE=$(1) -Isrc -Isrc/include $$(call vector_flags,$(1)) \
	    $(addprefix -include ,$(call intrinsics,$(1))) -MMD -MP -c -o $$@ $$<
$(BUILD)/obj/intrinsics.$(1).h.gch:
	@mkdir -p $$(@D)
	@echo '#include <immintrin.h>' >$$(basename $$@)
	$$(call say,CC,'<immintrin.h> ($(1))')
	$$(Q)$$(CC) $$(CPPFLAGS) $$(call vector_flags,$(1)) -x c-header -o $$@ $$(basename $$@)
endef
$(foreach isa,$(VECTOR_SETS),$(eval $(call vector_rule,$(isa))))

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(DEFINES) -Isrc -Isrc/include $(COMMON) $(CFLAGS) $(LOOPS) -MMD -MP -c -o $@ $<

# Plain loops over all weights.
$(BUILD)/obj/src/kernels/weights.o: LOOPS = $(OPTIMIZE)

# What is the same on every machine: no product is added before it is rounded.
EXACT = src/graph/integers src/graph/integers_activation src/kernels/plain src/kernels/softmax_exact
$(EXACT:%=$(BUILD)/obj/%.o): LOOPS = -ffp-contract=off

$(BUILD)/obj/src/kernels/dispatch.o: DEFINES = $(if $(filter vec128,$(ISAS)),-DCNN_VEC128)

# A user's program, watched: what the library writes into its arrays by the C library's functions, and what it leaks.
WATCHED = $(if $(SANITIZE)$(EMULATOR),,-fsanitize=address)
$(BUILD)/tests/test_api $(BUILD)/obj/tests/test_api.o: private COMMON += $(WATCHED)

# Files that are embedded: a style becomes a string of C, without comments (which take whole lines),
# line ends and the spaces that lines begin with. Fragments of HTML and SVG become a string each.
EMBEDDED := $(patsubst src/%,$(BUILD)/embedded/%.h,$(wildcard src/*/*.css src/*/*.html src/*/*.svg))
$(BUILD)/embedded/%.css.h: src/%.css
	@mkdir -p $(@D)
	$(call say,EMBED,$<)
	$(Q)sed -e '/^ *\/\*.*\*\/$$/d' -e '/^ *\/\*/,/\*\/$$/d' -e 's/^ *//' -e 's/[\\"]/\\&/g' -e 's/.*/"&"/' $< >$@
$(filter-out %.css.h,$(EMBEDDED)): $(BUILD)/embedded/%.h: src/% src/fragments.sed
	@mkdir -p $(@D)
	$(call say,EMBED,$<)
	$(Q)sed -f src/fragments.sed $< >$@
EMBEDDING := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard src/viz/*.c src/report/*.c))
$(EMBEDDING): DEFINES = -I$(BUILD)/embedded
$(EMBEDDING): | $(EMBEDDED)

# The arithmetic that exported C contains: each line becomes a string.
$(BUILD)/embedded/%.c.h: src/%.c
	@mkdir -p $(@D)
	sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n",/' $< >$@
C_KERNELS := $(wildcard src/formats/c_kernels/*.c)
$(BUILD)/obj/src/formats/c_pieces.o: DEFINES = -I$(BUILD)/embedded
$(BUILD)/obj/src/formats/c_pieces.o: $(C_KERNELS:src/%=$(BUILD)/embedded/%.h)

# What knows the libraries that decode pictures is compiled anew where these have changed.
DECODERS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard src/data/decode*.c) tests/test_decoders.c)
$(DECODERS): DEFINES = $(foreach name,$(IMAGE_LIBS),-DCNN_WITH_$(name))
$(DECODERS): $(BUILD)/image-libs
$(BUILD)/image-libs: force
	@mkdir -p $(@D)
	@echo '$(IMAGE_LIBS)' | cmp -s - $@ || echo '$(IMAGE_LIBS)' >$@

# Objects that know the prefix are compiled anew where that has changed.
PREFIXED := $(BUILD)/obj/src/util/shipped.o $(BUILD)/obj/src/cluster/launch.o
$(PREFIXED): DEFINES = -DCNN_DATADIR='"$(PREFIX)/share/cnn"'
$(PREFIXED): $(BUILD)/prefix
$(BUILD)/prefix: force
	@mkdir -p $(@D)
	@echo '$(PREFIX)' | cmp -s - $@ || echo '$(PREFIX)' >$@

$(TEST_BIN): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(TEST_HELP_OBJ) $(BUILD)/obj/libcnn.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(COMMON) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka -lpng -ljansson

$(TOOL_BIN): $(BUILD)/tests/tools/%: $(BUILD)/obj/tests/tools/%.o $(BUILD)/obj/tests/pictures.o $(BUILD)/obj/tests/onnx_models.o \
    $(BUILD)/obj/tests/onnx_write.o $(BUILD)/obj/tests/torch_write.o $(BUILD)/obj/tests/legacy_models.o $(BUILD)/obj/libcnn.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(COMMON) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

# Without sanitizers: the library stands in front of theirs.
$(BUILD)/tests/preload/%.so: tests/preload/%.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -std=c11 $(WARNINGS) $(CFLAGS) -D_GNU_SOURCE -shared -fPIC -o $@ $< -ldl -lpthread

$(EXAMPLE_BIN): $(BUILD)/examples/%: $(BUILD)/obj/examples/%.o $(BUILD)/obj/libcnn.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(COMMON) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# Flags of the arithmetic alone.
$(BUILD)/obj/src/kernels/%.o: COMMON += $(KERNEL_FLAGS)

# One target chooses kernels anew in each call, one reads command lines, one compares readers.
$(BUILD)/tests/fuzz/json: FUZZ_LIBS = -ljansson
$(BUILD)/tests/fuzz/network: FUZZ_FLAGS = -Wl,--wrap=cnn_kernels,--wrap=cnn_winograd_wanted
$(BUILD)/tests/fuzz/options: $(filter-out %/main.o,$(CLI_OBJ))
$(FUZZ_BIN): $(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/libcnn.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(COMMON) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer $(FUZZ_FLAGS) -o $@ $(filter %.o,$^) $(BUILD)/obj/libcnn.a $(LIBS) $(FUZZ_LIBS)

# Without sanitizers, which MPI's own libraries do not have.
$(BUILD)/cnn-mpi-%.so: src/cluster/mpi/plugin.c src/cluster/transport.h
	@mkdir -p $(@D)
	$(MPICC_$*) -std=c11 -Isrc $(CFLAGS) -shared -fPIC -o $@ $<

# The manual: the keys of the description come from the program's own tables.
$(BUILD)/man/cnn-model.5: man/cnn-model.5.in $(BUILD)/cnn
	@mkdir -p $(@D)
	$(call say,MAN,$@)
	$(Q)$(EMULATOR) $(BUILD)/cnn help --man-keys >$@.keys
	$(Q)sed -e '/^@KEYS@$$/{r $@.keys' -e 'd;}' $< >$@
	@rm $@.keys

# Completion of command lines in shells, from the option tables.
$(COMPLETION): $(BUILD)/completion/%: $(BUILD)/cnn
	@mkdir -p $(@D)
	$(call say,SHELL,$@)
	$(Q)$(EMULATOR) $(BUILD)/cnn help --completion $* >$@

$(BUILD)/man/%: man/%
	@mkdir -p $(@D)
	$(call say,MAN,$@)
	$(Q)cp $< $@

INSTALL_PACKAGES = $(if $(filter-out 0,$(shell id -u)),sudo )env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends
deps: ## install what building and testing need (Debian, Ubuntu)
	$(INSTALL_PACKAGES) $(PACKAGES)

deps-mpi: ## install Open MPI and MPICH, for training by several processes
	$(INSTALL_PACKAGES) $(MPI_PACKAGES)

deps-dev: ## install what format, lint and fuzz need, too
	$(INSTALL_PACKAGES) $(PACKAGES) $(DEV_PACKAGES)

deps-boards: ## install what runs exported C on emulated microcontrollers (tests/boards.sh)
	$(INSTALL_PACKAGES) $(PACKAGES) $(BOARD_PACKAGES)

# A page that was built once is kept up to date, so that what breaks it is seen.
test: all $(TEST_BIN) $(TOOL_BIN) $(PRELOAD_LIB) $(EXAMPLE_BIN) $(wildcard $(BUILD)/lab.html) ## every test; ends with `N passed, M failed`
	CNN=$(BUILD)/cnn BUILD=$(BUILD) PREFIX=$(PREFIX) CC='$(CC)' CXX='$(CXX)' SANITIZE='$(SANITIZE)' tests/run.sh $(TEST_BIN) $(TEST_SCRIPTS)

# Programs for another machine are run by EMULATOR. Left out are a test that runs for many minutes there, and scripts of long runs and of what is installed.
EMULATED_TESTS = $(filter-out %/test_attribution,$(TEST_BIN))
test-emulated: all $(EMULATED_TESTS) $(TOOL_BIN)
	printf '#!/bin/sh\nexec %s "$$@"\n' '$(EMULATOR) -0 cnn $(abspath $(BUILD)/cnn)' >$(BUILD)/emulated
	chmod +x $(BUILD)/emulated
	CNN=$(BUILD)/emulated EMULATOR='$(EMULATOR)' BUILD=$(BUILD) tests/run.sh $(EMULATED_TESTS) tests/cli/run.sh tests/wrong/run.sh

AARCH64 := $(BUILD)-aarch64
AARCH64_EMULATOR := $(or $(EMULATOR),qemu-aarch64)
test-aarch64: ## most tests on ARM's instructions: cross-compiled, run by qemu (slow)
	@mkdir -p $(AARCH64)
	@if echo 'int main(void) { return 0; }' | aarch64-linux-gnu-gcc -x c - -o $(AARCH64)/probe $(LDFLAGS) $(LIBS) -lcmocka -lpng && \
	    $(AARCH64_EMULATOR) $(AARCH64)/probe; then \
	    $(MAKE) test-emulated CC=aarch64-linux-gnu-gcc BUILD=$(AARCH64) EMULATOR='$(AARCH64_EMULATOR)'; \
	else \
	    echo 'skipped: no cross compiler, libraries or emulator for aarch64'; \
	fi

tsan: ## the tests that use threads, and a user's program, watched by ThreadSanitizer
	$(MAKE) all $(TSAN_TESTS:%=$(BUILD)-tsan/tests/%) BUILD=$(BUILD)-tsan CFLAGS='-O1 -g' SANITIZE=-fsanitize=thread
	TSAN_OPTIONS=halt_on_error=1 CNN=$(BUILD)-tsan/cnn BUILD=$(BUILD)-tsan PREFIX=$(PREFIX) CC='$(CC)' CXX='$(CXX)' \
	    SANITIZE=-fsanitize=thread tests/run.sh $(TSAN_TESTS:%=$(BUILD)-tsan/tests/%) tests/install.sh

# The tests under sanitizers and the readers that are fed with damaged inputs are built once, by clang,
# whose UndefinedBehaviorSanitizer finds more than gcc's. Loops of arithmetic are compiled in less time,
# and need not report each comparison to the fuzzer. The tests start programs thousands of times, so these
# are linked at a fixed address: relocation would touch 1,200 pages at each start. Reports need lines only.
SECONDS ?= 30
ASAN_MAKE = $(MAKE) BUILD=$(BUILD)-asan CC=clang-14 CXX=clang++-14 CFLAGS='-O1 -g1 -fno-omit-frame-pointer' OPTIMIZE= \
            KERNEL_FLAGS=-fno-sanitize-coverage=trace-cmp LDFLAGS='-fuse-ld=lld -no-pie -Wno-unused-command-line-argument' \
            SANITIZE='-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all'
fuzz: all $(TOOL_BIN) ## feeds damaged inputs to every reader, SECONDS=30 for each (clang)
	+$(ASAN_MAKE) $(FUZZ_SRC:%.c=$(BUILD)-asan/%)
	CNN=$(BUILD)/cnn BUILD=$(BUILD) tests/fuzz/seeds.sh $(BUILD)-asan/seeds
	BUILD=$(BUILD)-asan tests/fuzz/fuzz.sh $(SECONDS) $(FUZZ_SRC:%.c=$(BUILD)-asan/%)

asan: ## the same tests, watched by AddressSanitizer and UndefinedBehaviorSanitizer (clang)
	+$(ASAN_MAKE) test

# On demand: it takes half an hour. MUTANTS='src/viz 12' tries a part.
mutants: ## breaks the sources on purpose, and says which tests notice
	BUILD=$(BUILD) CC='$(CC)' WIDER='$(TEST_BIN) $(TEST_SCRIPTS)' tests/mutants/mutate.sh $(MUTANTS)

# Where WERROR is set, all that was built was built so. clang-tidy and editors take their flags from compile_flags.txt; viz/stb.c is Debian's stb_image_write.
# The analyzer follows paths through a function until it has seen LINT_NODES states: nearly all of the time.
# Its default, LINT_NODES=225000, takes three times as long, and belongs to a release.
LINT_NODES ?= 50000
TIDY_SRC := $(filter-out src/viz/stb.c,$(LIB_SRC)) $(CLI_SRC)
lint: $(MAN) ## static analysis, the manual's form, scripts, and a build where warnings are errors
	$(if $(WERROR),,$(MAKE) all $(TEST_SRC:%.c=$(BUILD)-lint/%) $(EXAMPLE_SRC:%.c=$(BUILD)-lint/%) BUILD=$(BUILD)-lint WERROR=-Werror)
	mandoc -Tlint -W warning $(MAN)
	shellcheck -x -S warning -e SC1007,SC2046,SC2053 .ci/run $(TEST_SCRIPTS) tests/run.sh tests/cases.sh tests/fuzz/*.sh bench/compare.sh bench/grow.sh tests/mutants/mutate.sh
	printf '%s\n' $(TIDY_SRC) | xargs -P $$(nproc) -n 8 clang-tidy-14 --quiet \
	    $(addprefix --extra-arg=,-Xclang -analyzer-config -Xclang max-nodes=$(LINT_NODES))

FORMATTED = $(wildcard web/*.[ch] web/*/*.h web/*/*/*.h src/*.[ch] src/*/*.[ch] src/*/*/*.[ch] cnn-cli/*.[ch] tests/*.[ch] tests/*/*.[ch] examples/*.c examples/*.cc examples/*.h)
format: ## clang-format over all sources
	clang-format-14 -i $(FORMATTED)

format-check: ## fails where `make format` would change something
	clang-format-14 --dry-run -Werror $(FORMATTED)

bench: $(BUILD)/cnn ## times training and inference of every description in configs/
	for config in configs/*.yaml; do $(BUILD)/cnn bench $$config && $(BUILD)/cnn bench $$config --infer || exit 1; done

compare: $(BUILD)/cnn ## times cnn beside PyTorch and ONNX Runtime, where they are installed
	CNN=$(BUILD)/cnn bench/compare.sh

grow: $(BUILD)/cnn ## how cost grows with batch, threads, width, image size and depth
	CNN=$(BUILD)/cnn bench/grow.sh

# Models with their cards, descriptions, lessons with their inputs.
SHARED := $(wildcard models/*.safetensors models/*.md configs/*.md configs/*.yaml configs/*/*.yaml configs/*/*.txt configs/*/*.c configs/*/*.png)
MAN1 := $(filter %.1,$(MAN))
MAN5 := $(filter %.5,$(MAN))
MAN7 := $(filter %.7,$(MAN))
install: all ## into PREFIX=/usr/local, under DESTDIR
	install -D -m 755 $(BUILD)/cnn $(DESTDIR)$(PREFIX)/bin/cnn
	install -D -m 644 $(BUILD)/libcnn.a $(DESTDIR)$(PREFIX)/lib/libcnn.a
	install -D -m 755 $(SHARED_LIB) $(DESTDIR)$(PREFIX)/lib/libcnn.so.$(VERSION)
	ln -sf libcnn.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libcnn.so.$(SOVERSION)
	ln -sf libcnn.so.$(SOVERSION) $(DESTDIR)$(PREFIX)/lib/libcnn.so
	for plugin in $(MPI_PLUGINS); do install -D -m 644 $$plugin $(DESTDIR)$(PREFIX)/lib/cnn/$$(basename $$plugin) || exit 1; done
	install -D -m 644 src/include/cnn.h $(DESTDIR)$(PREFIX)/include/cnn.h
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(foreach n,1 5 7,$(DESTDIR)$(PREFIX)/share/man/man$(n))
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS@|$(LIBS)|' src/cnn.pc.in >$(DESTDIR)$(PREFIX)/lib/pkgconfig/cnn.pc
	install -d $(DESTDIR)$(PREFIX)/lib/cmake/cnn
	sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@SOVERSION@|$(SOVERSION)|g' -e 's|@LIBS@|$(subst $(space),;,$(LIBS:-l%=%))|' src/cnnConfig.cmake.in >$(DESTDIR)$(PREFIX)/lib/cmake/cnn/cnnConfig.cmake
	sed -e 's|@VERSION@|$(VERSION)|g' src/cnnConfigVersion.cmake.in >$(DESTDIR)$(PREFIX)/lib/cmake/cnn/cnnConfigVersion.cmake
	install -m 644 $(MAN1) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(MAN5) $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 $(MAN7) $(DESTDIR)$(PREFIX)/share/man/man7
	install -D -m 644 $(BUILD)/completion/bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/cnn
	install -D -m 644 $(BUILD)/completion/zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_cnn
	install -D -m 644 $(BUILD)/completion/fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/cnn.fish
	install -D -m 644 docs/lessons.md $(DESTDIR)$(PREFIX)/share/doc/cnn/lessons.md
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/cnn/ko docs/ko/*.md
	for file in $(SHARED); do install -D -m 644 $$file $(DESTDIR)$(PREFIX)/share/cnn/$$file || exit 1; done
	if [ -f $(BUILD)/lab.html ]; then install -m 644 $(BUILD)/lab.html $(DESTDIR)$(PREFIX)/share/cnn/lab.html; fi

uninstall: ## removes what install put there
	cd $(DESTDIR)$(PREFIX) && rm -f bin/cnn share/bash-completion/completions/cnn share/zsh/site-functions/_cnn \
	    share/fish/vendor_completions.d/cnn.fish lib/libcnn.* lib/pkgconfig/cnn.pc lib/cmake/cnn/* include/cnn.h \
	    $(MAN1:$(BUILD)/man/%=share/man/man1/%) $(MAN5:$(BUILD)/man/%=share/man/man5/%) $(MAN7:$(BUILD)/man/%=share/man/man7/%)
	rm -rf $(DESTDIR)$(PREFIX)/lib/cnn $(DESTDIR)$(PREFIX)/share/cnn $(DESTDIR)$(PREFIX)/share/doc/cnn

clean: ## remove what was built
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-lint $(BUILD)-aarch64 $(BUILD)-mutants

metrics: all ## figures of the sources: lines, functions, includes, circles
	@BUILD=$(BUILD) CNN=$(BUILD)/cnn tests/structure.sh --print

# The page of `cnn lab`.
include web/web.mk

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1 \2/p' $(MAKEFILE_LIST) | while read -r target text; do printf '  %-14s %s\n' "$$target" "$$text"; done

.PHONY: all deps deps-mpi deps-dev deps-boards test test-emulated test-aarch64 asan tsan fuzz mutants lint format format-check bench compare grow metrics install uninstall clean help force
.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

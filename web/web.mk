# `make lab`: the library as WebAssembly, and the page that `cnn lab` puts a network into. Debian's clang-14, lld-14, wasi-libc and
# libclang-rt-14-dev-wasm32 compile it; `make deps-lab` installs them. The libraries under ours are compiled from Debian's sources, which are
# fetched, not kept.
WASM := $(BUILD)/wasm
WASM_CC ?= clang-14
WASM_AR ?= llvm-ar-14
WASM_DUMP ?= obj2yaml-14
STB ?= /usr/include/stb
LAB_PACKAGES := clang-14 lld-14 llvm-14 wasi-libc libclang-rt-14-dev-wasm32 libstb-dev

POOL := http://deb.debian.org/debian/pool/main
YAML_SOURCE := liby/libyaml/libyaml_0.2.5.orig.tar.gz
YAML_SUM := fa240dbf262be053f3898006d502d514936c818e422afdcf33921c63bed9bf2e
ZLIB_SOURCE := z/zlib/zlib_1.2.13.dfsg.orig.tar.bz2
ZLIB_SUM := 71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1

# web/wasi adds what wasi-libc lacks. Sizes have 32 bits there; counts of what a file holds fit into them, as the file is in memory.
WASM_FLAGS = $(filter-out -Wconversion,$(WARNINGS)) --target=wasm32-wasi -msimd128 -std=c11 -Werror=implicit-function-declaration -fno-math-errno -ffunction-sections -fdata-sections \
              -D_POSIX_C_SOURCE=200809L -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_GETPID -DCNN_DATADIR='"/share/cnn"' \
              -isystem web/wasi -I$(WASM)/yaml/include -I$(WASM)/zlib -isystem $(WASM)/include -I$(BUILD)/embedded -Isrc -Isrc/include -Icnn-cli
WASM_LINK := --target=wasm32-wasi -mexec-model=reactor -Wl,--fatal-warnings,--gc-sections,--strip-all,-z,stack-size=1048576 \
             -lwasi-emulated-signal -lwasi-emulated-getpid -lm

YAML_NAMES := api dumper emitter loader parser reader scanner writer
ZLIB_NAMES := adler32 crc32 deflate inflate inffast inftrees trees zutil compress uncompr gzclose gzlib gzread gzwrite
# What runs compilers has no place in a page, and nothing of the page asks for it.
WASM_SRC := $(filter-out src/formats/c_measure.c,$(LIB_SRC))
WASM_OBJ := $(WASM_SRC:%.c=$(WASM)/obj/%.o) $(VECTOR_SRC:%.c=$(WASM)/obj/%.o) $(WASM)/obj/cnn-cli/json.o \
            $(YAML_NAMES:%=$(WASM)/obj/yaml/%.o) $(ZLIB_NAMES:%=$(WASM)/obj/zlib/%.o)

lab: $(BUILD)/lab.html ## the page for `cnn lab` (clang-14 with wasi-libc; fetches sources of libyaml and zlib)

deps-lab: ## install what `make lab` needs, too
	$(INSTALL_PACKAGES) $(LAB_PACKAGES)

# Sources of others: their sums are known.
$(WASM)/yaml.tar $(WASM)/zlib.tar:
	@mkdir -p $(@D)
	$(call say,FETCH,$@)
	$(Q)/usr/lib/apt/apt-helper download-file $(POOL)/$(if $(findstring yaml,$@),$(YAML_SOURCE) $@ SHA256:$(YAML_SUM),$(ZLIB_SOURCE) $@ SHA256:$(ZLIB_SUM))

$(WASM)/sources: $(WASM)/yaml.tar $(WASM)/zlib.tar
	@mkdir -p $(WASM)/yaml $(WASM)/zlib $(WASM)/include
	tar -xf $(WASM)/yaml.tar -C $(WASM)/yaml --strip-components=1
	tar -xf $(WASM)/zlib.tar -C $(WASM)/zlib --strip-components=1
	ln -sfn $(STB) $(WASM)/include/stb
	touch $@

$(WASM)/obj/%.o: %.c $(WASM)/sources | $(EMBEDDED) $(C_KERNELS:src/%=$(BUILD)/embedded/%.h)
	@mkdir -p $(@D)
	$(call say,WASM,$@)
	$(Q)$(WASM_CC) $(WASM_FLAGS) -Os -MMD -MP -c -o $@ $<

$(WASM)/obj/src/kernels/%.o: src/kernels/%.c $(WASM)/sources
	@mkdir -p $(@D)
	$(call say,WASM,$@)
	$(Q)$(WASM_CC) $(WASM_FLAGS) -O3 -MMD -MP -c -o $@ $<

$(WASM)/obj/src/kernels/vector/%.o: src/kernels/vector/%.c $(WASM)/sources
	@mkdir -p $(@D)
	$(call say,WASM,$@)
	$(Q)$(WASM_CC) $(WASM_FLAGS) -DCNN_ISA=vec128 -O3 -ffp-contract=off -MMD -MP -c -o $@ $<

$(YAML_NAMES:%=$(WASM)/obj/yaml/%.o): $(WASM)/obj/yaml/%.o: $(WASM)/sources
	@mkdir -p $(@D)
	$(call say,WASM,$@)
	$(Q)$(WASM_CC) $(WASM_FLAGS) -w -Os -DYAML_VERSION_STRING='"0.2.5"' -DYAML_VERSION_MAJOR=0 -DYAML_VERSION_MINOR=2 -DYAML_VERSION_PATCH=5 \
	    -c -o $@ $(WASM)/yaml/src/$*.c

$(ZLIB_NAMES:%=$(WASM)/obj/zlib/%.o): $(WASM)/obj/zlib/%.o: $(WASM)/sources
	@mkdir -p $(@D)
	$(call say,WASM,$@)
	$(Q)$(WASM_CC) $(WASM_FLAGS) -w -Os -DHAVE_UNISTD_H -c -o $@ $(WASM)/zlib/$*.c

$(WASM)/libcnn.a: $(WASM_OBJ)
	@rm -f $@
	$(Q)$(WASM_AR) rcs $@ $^

$(WASM)/lab.wasm: $(WASM)/obj/web/lab.o $(WASM)/libcnn.a
	$(call say,WASM,$@)
	$(Q)$(WASM_CC) -o $@ $^ $(WASM_LINK)
	$(Q)for call in $$($(WASM_DUMP) $@ | sed -n -e '/Type: *FUNCTION$$/q' -e 's/^ *Field: *//p'); do grep -q "\<$$call\>" web/files.js web/engine.js || \
	    { echo "$@ calls $$call of WASI, which the page has not: add it to web/files.js, or do without it" >&2; exit 1; }; done

$(BUILD)/lab.html: $(WASM)/lab.wasm web/assemble.sh $(wildcard web/*.html web/*.css web/*.js)
	$(call say,PAGE,$@)
	$(Q)web/assemble.sh $(WASM)/lab.wasm >$@

.PHONY: lab deps-lab
-include $(shell find $(WASM)/obj -name '*.d' 2>/dev/null)

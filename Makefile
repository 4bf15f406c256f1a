# golem-aot. `make help` lists the targets; `make demo` and `make test` set themselves up on a fresh Debian 12.

BUILD ?= build
CC ?= gcc
NODE ?= node
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
Q = $(if $(V),,@)
say = @$(if $(V),:,printf '  %-8s %s\n' '$(1)' '$(2)')
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings $(if $(CI),-Werror)
# -fno-pie: an executable's code must lie at the same address in every process (docs/ARCHITECTURE.md, "The region").
# -fno-stack-protector: some of it runs on the guest's stack, and a canary of one process is wrong in the next.
BASE_CFLAGS = -std=gnu11 -fno-pie -fno-stack-protector -fno-strict-aliasing -ffunction-sections -fdata-sections -MMD -MP $(WARNINGS) $(CFLAGS)

# --- folders, and what each may include (the arrows of docs/ARCHITECTURE.md; `make lint` checks them too) ---

BASE = wasm2c-rt/base
CORE = wasm2c-rt/include wasm2c-rt/core $(BASE)
RT = wasm2c-rt/cabi wasm2c-rt/checkpoint $(CORE)
HOST = hostimpl/durable hostimpl/store hostimpl/io $(BUILD)/gen $(RT)

INCLUDES_wasm2c-rt/base = $(BASE)
INCLUDES_wasm2c-rt/core = $(CORE)
INCLUDES_wasm2c-rt/cabi = wasm2c-rt/cabi $(CORE)
INCLUDES_wasm2c-rt/checkpoint = wasm2c-rt/checkpoint $(CORE)
INCLUDES_hostimpl/store = hostimpl/store $(BASE)
INCLUDES_hostimpl/io = hostimpl/io $(BASE)
INCLUDES_hostimpl/durable = $(HOST)
INCLUDES_hostimpl/wasi = hostimpl/wasi $(HOST)
INCLUDES_hostimpl/golem = hostimpl/golem $(HOST)
INCLUDES_hostimpl/exe = hostimpl/exe $(HOST)
INCLUDES_hostimpl/serve = hostimpl/serve hostimpl/exe hostimpl/wasi $(HOST)
INCLUDES_aot = aot $(BASE)
INCLUDES_tools/witgen = tools/witgen aot $(BASE)
INCLUDES_tools/golem-aot = tools/golem-aot aot $(BASE)
INCLUDES_tests/unit = tests/unit aot tools/witgen hostimpl/wasi hostimpl/golem $(HOST)
INCLUDES_tests/fuzz = tests/fuzz $(INCLUDES_tests/unit)

RT_DIRS = $(BASE) wasm2c-rt/core wasm2c-rt/cabi wasm2c-rt/checkpoint hostimpl/store hostimpl/io hostimpl/durable \
          hostimpl/wasi hostimpl/golem hostimpl/exe hostimpl/serve

objects = $(patsubst %,$(BUILD)/obj/%.o,$(basename $(foreach dir,$(1),$(wildcard $(dir)/*.c $(dir)/*.S))))

# What witgen makes: a C file, and so an object in the library, for each interface of wit/ (tools/witgen/gen_functions.c).
HOST_INTERFACES := $(shell awk '/^interface / { sub(/.*\//, "", FILENAME); sub(/\.wit$$/, "", FILENAME); print FILENAME "-" $$2 }' wit/*.wit)
HOST_OBJECTS = $(HOST_INTERFACES:%=$(BUILD)/obj/gen/host/%.o)

RT_OBJECTS = $(call objects,$(RT_DIRS)) $(HOST_OBJECTS)
AOT_OBJECTS = $(call objects,aot $(BASE))
WITGEN_OBJECTS = $(call objects,tools/witgen)
CLI_OBJECTS = $(call objects,tools/golem-aot) $(BUILD)/obj/gen/host_catalog.o
UNIT_TESTS = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
GUESTS = $(patsubst tests/guests/%.wit,$(BUILD)/guests/%.wasm,$(wildcard tests/guests/*.wit))
# The guest of tests/guests/tally by other toolchains; SpiderMonkey, which is part of tally-js, takes long to compile.
GUESTS_MORE = $(BUILD)/guests/tally-as.wasm $(BUILD)/guests/tally-rust.wasm $(BUILD)/guests/tally-qjs.wasm
GUESTS_JS = $(BUILD)/guests/tally-js.wasm $(BUILD)/guests/handler-js.wasm
# The command of tests/guests/errand, likewise; Go's runtime takes two minutes to compile, and Go itself is no part of the test set-up.
GUESTS_MORE += $(BUILD)/guests/errand-c.wasm $(BUILD)/guests/errand-rust.wasm
GUESTS_JS += $(BUILD)/guests/errand-js.wasm $(if $(shell command -v go),$(BUILD)/guests/errand-go.wasm)

GOLEM_AOT = $(BUILD)/bin/golem-aot
RT_LIBRARY = $(BUILD)/lib/golem-aot/libgolemrt.a
AOT_LIBRARY = $(BUILD)/obj/libgolemaot.a
WITGEN_LIBRARY = $(BUILD)/obj/libwitgen.a
RT_LIBS = -lsqlite3 -luuid -lm
AOT_LIBS = -lmd -lpthread

.DEFAULT_GOAL = all
.PHONY: all help deps deps-test deps-fuzz guests guests-more guests-js demo test test-js unit bless bench crash fuzz fuzz-programs fuzz-link test-asan lint fmt install clean
.DELETE_ON_ERROR:
.SECONDARY:

help:
	@echo 'make all       the compiler and the runtime library (needs: make deps)'
	@echo 'make demo      installs what is missing, builds, and shows a worker that survives kill -9'
	@echo 'make test      installs what is missing, builds, and runs every test'
	@echo 'make test-js   the tests of a component with a JavaScript engine (two minutes of compiling, once)'
	@echo 'make bless     accepts the generated C of the golden tests as it is now'
	@echo 'make fuzz      fuzzes the readers and the values, FUZZ_SECONDS for each target, FUZZ_VALUES values'
	@echo 'make test-asan runs the unit tests under sanitizers'
	@echo 'make bench     prints the measurements'
	@echo 'make lint      checks the include arrows between folders, and other rules of the tree'
	@echo 'make install   to PREFIX (default /usr/local)'

deps:
	@tools/deps.sh build

deps-test: deps
	@tools/deps.sh test

deps-fuzz: deps-test
	@tools/deps.sh fuzz

all: $(GOLEM_AOT) $(RT_LIBRARY) $(BUILD)/include/golem-aot/.stamp
	@tools/wasm2c.sh --keep $(BUILD)/libexec/golem-aot

# --- the product ---

$(GOLEM_AOT): $(CLI_OBJECTS) $(AOT_LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -no-pie -static -o $@ $(CLI_OBJECTS) $(AOT_LIBRARY) $(LDFLAGS) $(AOT_LIBS)

$(RT_LIBRARY): $(RT_OBJECTS)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcsD $@ $^

$(AOT_LIBRARY): $(AOT_OBJECTS)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcsD $@ $^

# What generated C includes, in the place where golem-aot looks for it.
$(BUILD)/include/golem-aot/.stamp: $(wildcard wasm2c-rt/include/*.h)
	@mkdir -p $(@D)
	@rm -f $(@D)/*.h
	@cp $^ $(@D)/
	@touch $@

$(WITGEN_LIBRARY): $(filter-out %/witgen.o,$(WITGEN_OBJECTS))
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcsD $@ $^

$(BUILD)/bin/witgen: $(BUILD)/obj/tools/witgen/witgen.o $(WITGEN_LIBRARY) $(AOT_LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -no-pie -o $@ $^ $(LDFLAGS) $(AOT_LIBS)

# witgen reads wit/ and writes host_functions.h (types, prototypes), host/*.c (descriptors, thunks) and host_catalog.c.
$(BUILD)/gen/.stamp: $(BUILD)/bin/witgen $(wildcard wit/*.txt wit/*.wit)
	@mkdir -p $(@D)/host
	$(call say,WITGEN,$@)
	$(Q)$(BUILD)/bin/witgen wit $(@D)
	@touch $@
$(HOST_INTERFACES:%=$(BUILD)/gen/host/%.c) $(addprefix $(BUILD)/gen/,host_catalog.c host_functions.h): $(BUILD)/gen/.stamp ;

$(HOST_OBJECTS): $(BUILD)/obj/gen/host/%.o: $(BUILD)/gen/host/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(BASE_CFLAGS) $(addprefix -I,$(HOST)) -c -o $@ $<
$(BUILD)/obj/gen/host_catalog.o: $(BUILD)/gen/host_catalog.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(BASE_CFLAGS) -Iaot -c -o $@ $<

# Host implementations include the generated header.
$(call objects,hostimpl/durable hostimpl/wasi hostimpl/golem hostimpl/exe hostimpl/serve tests/unit): | $(BUILD)/gen/.stamp

define COMPILE_RULES
$(BUILD)/obj/$(1)/%.o: $(1)/%.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC) $$(BASE_CFLAGS) $$(addprefix -I,$$(INCLUDES_$(1))) -c -o $$@ $$<
$(BUILD)/obj/$(1)/%.o: $(1)/%.S
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC) $$(BASE_CFLAGS) $$(addprefix -I,$$(INCLUDES_$(1))) -c -o $$@ $$<
endef
$(foreach dir,$(RT_DIRS) aot tools/witgen tools/golem-aot tests/unit tests/fuzz,$(eval $(call COMPILE_RULES,$(dir))))

# --- tests ---

# Criterion's main must be found before the executable's, which is in the runtime library.
unit: $(UNIT_TESTS)

$(BUILD)/tests/test_%: $(BUILD)/obj/tests/unit/test_%.o $(BUILD)/obj/tests/unit/criterion_arena.o $(WITGEN_LIBRARY) $(AOT_LIBRARY) $(RT_LIBRARY) $(BUILD)/obj/gen/host_catalog.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -no-pie -o $@ $< $(BUILD)/obj/tests/unit/criterion_arena.o -lcriterion $(BUILD)/obj/gen/host_catalog.o $(WITGEN_LIBRARY) $(AOT_LIBRARY) $(RT_LIBRARY) $(LDFLAGS) $(RT_LIBS) -l:libuv_a.a $(AOT_LIBS)

guests: $(GUESTS)

$(BUILD)/guests/%.wasm: tests/guests/%.wit tests/guests/%.c $(wildcard tests/guests/*.h) tests/guests/build.mjs
	@mkdir -p $(@D)
	$(call say,GUEST,$@)
	$(Q)$(NODE) tests/guests/build.mjs tests/guests/$*.wit tests/guests/$*.c $@

guests-more: $(GUESTS_MORE)
guests-js: $(GUESTS_JS)

$(BUILD)/guests/tally-%.wasm: $(wildcard tests/guests/tally/*) tests/guests/pack.mjs tests/guests/rust.mjs
	@mkdir -p $(@D)
	$(call say,GUEST,$@)
	$(Q)$(NODE) tests/guests/tally/build.mjs $* $@

$(BUILD)/guests/handler-js.wasm: $(wildcard tests/guests/handler_js/*) tests/guests/pack.mjs
	@mkdir -p $(@D)
	$(call say,GUEST,$@)
	$(Q)$(NODE) tests/guests/handler_js/build.mjs $@

$(BUILD)/guests/errand-%.wasm: $(wildcard tests/guests/errand/* tests/guests/*.h) tests/guests/pack.mjs tests/guests/rust.mjs
	@mkdir -p $(@D)
	$(call say,GUEST,$@)
	$(Q)$(NODE) tests/guests/errand/build.mjs $* $@

test: deps-fuzz
	@$(MAKE) --no-print-directory all unit guests guests-more fuzz-programs $(BUILD)/tests/powerloss.so $(BUILD)/tests/killat
	@tests/run.sh

# A JavaScript engine of 9 MB of code: two minutes of compiling the first time, seconds afterwards.
test-js: deps-test
	@$(MAKE) --no-print-directory all guests-js
	@tests/run.sh js

$(BUILD)/tests/powerloss.so: tests/crash/powerloss.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -std=gnu11 -O1 -g $(WARNINGS) -shared -fPIC -o $@ $< -ldl -lpthread

$(BUILD)/tests/killat: tests/crash/killat.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -std=gnu11 -O1 -g $(WARNINGS) -o $@ $<

# The whole crash campaigns; `make test` runs a small part of each.
crash: all guests guests-more $(BUILD)/tests/powerloss.so $(BUILD)/tests/killat
	CRASH_KILLS=500 CRASH_SYNCS=1000000 CRASH_CALLS=1000000 tests/run.sh crash

# --- fuzzing and sanitizers: builds of their own, in folders below ---

FUZZ_TARGETS = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_RUNTIME = $(filter-out $(call objects,hostimpl/exe hostimpl/serve) $(HOST_OBJECTS),$(RT_OBJECTS))
FUZZ_CC ?= clang-19
FUZZ_SECONDS ?= 600
FUZZ_VALUES ?= 10000
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all
# What runs on the guest's stack must not be instrumented there: ASan knows nothing of that stack.
ASAN_CFLAGS = -O1 -g -fno-omit-frame-pointer $(SANITIZE) --param asan-stack=0

# The targets of libFuzzer, each for FUZZ_SECONDS, then the differential fuzzer with FUZZ_VALUES values.
fuzz: fuzz-programs all
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run.sh fuzz
	@$(NODE) tests/fuzz/differential.mjs --values $(FUZZ_VALUES)

fuzz-programs: deps-fuzz
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=$(FUZZ_CC) LDFLAGS='$(SANITIZE)' \
	    CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link $(SANITIZE)' fuzz-link

fuzz-link: $(patsubst %,$(BUILD)/fuzz_%,$(FUZZ_TARGETS))

$(BUILD)/obj/libfuzzrt.a: $(FUZZ_RUNTIME)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcsD $@ $^

$(BUILD)/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(WITGEN_LIBRARY) $(AOT_LIBRARY) $(BUILD)/obj/libfuzzrt.a
	$(call say,LINK,$@)
	$(Q)$(CC) -no-pie -fsanitize=fuzzer -o $@ $^ $(LDFLAGS) $(RT_LIBS) $(AOT_LIBS)

# The unit tests under ASan and UBSan; a report in a file is a failure, whatever the test says.
test-asan: deps-test
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan CFLAGS='$(ASAN_CFLAGS)' LDFLAGS='$(SANITIZE)' unit
	@BUILD=$(BUILD)/asan tests/run.sh asan

demo: deps-test
	@$(MAKE) --no-print-directory all $(BUILD)/guests/workflow.wasm
	@tools/demo.sh

bench: deps-test
	@$(MAKE) --no-print-directory all guests guests-more guests-js
	@$(NODE) bench/bench.mjs

install: all
	install -D -m 755 $(GOLEM_AOT) $(DESTDIR)$(PREFIX)/bin/golem-aot
	install -D -m 644 $(RT_LIBRARY) $(DESTDIR)$(PREFIX)/lib/golem-aot/libgolemrt.a
	install -d $(DESTDIR)$(PREFIX)/include/golem-aot
	install -m 644 $(BUILD)/include/golem-aot/*.h $(DESTDIR)$(PREFIX)/include/golem-aot/
	tools/wasm2c.sh --keep $(DESTDIR)$(PREFIX)/libexec/golem-aot

# Accepts what the golden tests see now as right.
bless: all
	BLESS=1 $(NODE) --test $(wildcard tests/golden/*.test.mjs)

lint:
	@tools/lint.sh

fmt:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

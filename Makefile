# SPDX-License-Identifier: Apache-2.0
# Risoluto. `make help` lists the targets; README.md has the two that matter.

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

# VARIANT: release (default), asan (ASan+UBSan), fuzz (clang, libFuzzer)
VARIANT ?= release
B := build$(if $(filter release,$(VARIANT)),,/$(VARIANT))

WARNINGS := -Wall -Wextra -Wpedantic -Wformat=2 -Wshadow -Wstrict-prototypes \
  -Wmissing-prototypes -Wconversion -Wsign-conversion -Wcast-qual \
  -Wwrite-strings -Wundef -Wvla -Walloca -Wnull-dereference -Wswitch-enum \
  -Werror
GCC_WARNINGS := -Wduplicated-cond -Wlogical-op -Wimplicit-fallthrough=5
HARDENING := -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
  -fstack-clash-protection -fcf-protection=full \
  -ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr

CFLAGS_release := -O2 -g $(GCC_WARNINGS) $(HARDENING)
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
  -fno-omit-frame-pointer -Wno-null-dereference
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
  -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_fuzz := -fsanitize=fuzzer,address,undefined

CC := $(if $(filter fuzz,$(VARIANT)),clang,gcc)
ALL_CFLAGS := -std=gnu11 -fPIE -pthread -D_GNU_SOURCE -I. -MMD -MP \
  $(WARNINGS) $(CFLAGS_$(VARIANT)) $(CFLAGS)
ALL_LDFLAGS := -pthread -Wl,--as-needed $(LDFLAGS_$(VARIANT)) $(LDFLAGS)

# V=1 shows the commands.
Q := $(if $(V),,@)

# ---- sources: a folder is an area, an area is a library ----

sources = $(sort $(wildcard $(1)/*.c) $(wildcard $(1)/*/*.c))
COMMON := $(call sources,common)
PROTO := $(call sources,proto)
CLI := $(call sources,control/cli)
CONTROL := $(filter-out control/main.c $(CLI),$(call sources,control))
INIT := $(call sources,dataplane/init)
DATAPLANE := $(filter-out dataplane/main.c dataplane/init/main.c,\
  $(call sources,dataplane))
FAKES := $(sort $(wildcard tests/fakes/*.c))
FAKES_LIB := $(call sources,tests/fakes/lib)
SUPPORT := $(call sources,tests/support)
UNIT := $(sort $(wildcard tests/unit/*.c))
INTEGRATION := $(sort $(wildcard tests/integration/*.c))
FUZZ := $(sort $(wildcard tests/fuzz/*.c))
ALL_SOURCES := $(COMMON) $(PROTO) $(CONTROL) $(CLI) $(DATAPLANE) \
  control/main.c dataplane/main.c dataplane/init/main.c \
  $(wildcard tests/tools/*.c) $(FAKES) $(FAKES_LIB) $(SUPPORT) $(UNIT) $(INTEGRATION) $(FUZZ)
ALL_HEADERS := $(sort $(foreach d,common proto control dataplane tests,\
  $(wildcard $(d)/*.h) $(wildcard $(d)/*/*.h) $(wildcard $(d)/*/*/*.h)))

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
lib = $(B)/lib/lib$(1).a

LIBS_CONTROL := -lnng -lcivetweb -lsqlite3 -lcjson -lyaml -lcurl -lcrypto
LIBS_DATAPLANE := -lnng -lsqlite3 -lcjson
LIBS_CLI := -lcurl -lcrypto -lcjson
LIBS_FAKES := -lcivetweb -lcjson
LIBS_ALL := $(LIBS_CONTROL)

BINARIES := $(addprefix $(B)/bin/,risoluto-control risoluto-dataplane \
  risoluto-init risoluto)
TOOLS := $(patsubst tests/tools/%.c,build/bin/%,$(wildcard tests/tools/*.c))
FAKE_BINARIES := $(patsubst tests/fakes/%.c,$(B)/bin/%,$(FAKES))
UNIT_BINARIES := $(patsubst tests/%.c,$(B)/tests/%,$(UNIT))
INTEGRATION_BINARIES := $(patsubst tests/%.c,$(B)/tests/%,$(INTEGRATION))
FUZZ_BINARIES := $(patsubst tests/%.c,$(B)/tests/%,$(FUZZ))

.PHONY: build tools fakes units integrations fuzzers
build: $(BINARIES) ## the four programs, in build/bin
tools: $(TOOLS)
fakes: $(FAKE_BINARIES) $(B)/bin/risoluto-rehearsal-model
units: $(UNIT_BINARIES)
integrations: $(INTEGRATION_BINARIES)
fuzzers: $(FUZZ_BINARIES)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "cc $@"
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Included as bytes: the compiler's dependency files do not see it.
$(call obj,dataplane/docker/seccomp.c): deploy/seccomp-risoluto.json
$(call obj,control/web/assets.c): $(wildcard control/web/index.html \
  control/web/app.*)

$(call lib,common): $(call obj,$(COMMON))
$(call lib,proto): $(call obj,$(PROTO))
$(call lib,control): $(call obj,$(CONTROL))
$(call lib,cli): $(call obj,$(filter-out control/cli/main.c,$(CLI)))
$(call lib,dataplane): $(call obj,$(DATAPLANE))
$(call lib,fakes): $(call obj,$(FAKES_LIB))
$(call lib,support): $(call obj,$(SUPPORT))
$(B)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $(filter %.o,$^)

link = $(Q)mkdir -p $(@D) && echo "link $@" && \
  $(CC) -o $@ $(filter %.o %.a,$^) $(ALL_LDFLAGS)

$(B)/bin/risoluto-control: $(call obj,control/main.c) \
  $(foreach l,control proto common,$(call lib,$(l)))
	$(link) $(LIBS_CONTROL)
$(B)/bin/risoluto-dataplane: $(call obj,dataplane/main.c) \
  $(foreach l,dataplane proto common,$(call lib,$(l)))
	$(link) $(LIBS_DATAPLANE)
$(B)/bin/risoluto: $(call obj,control/cli/main.c) \
  $(foreach l,cli common,$(call lib,$(l)))
	$(link) $(LIBS_CLI)
# Static: it must run in any image that an operator brings.
$(B)/bin/risoluto-init: $(INIT) $(wildcard dataplane/init/*.h) common/version.h
	@mkdir -p $(@D)
	@echo "link $@"
	$(Q)gcc -std=gnu11 -D_GNU_SOURCE -I. -O2 -static $(WARNINGS) $(GCC_WARNINGS) \
	  $(HARDENING) -o $@ $(INIT)
$(FAKE_BINARIES): $(B)/bin/%: $(B)/obj/tests/fakes/%.o \
  $(call lib,fakes) $(call lib,common)
	$(link) $(LIBS_FAKES)

# The runner's own helpers: never with sanitizers.
$(TOOLS): build/bin/%: tests/tools/%.c
	@mkdir -p $(@D)
	@echo "link $@"
	$(Q)gcc -std=gnu11 -D_GNU_SOURCE -O2 $(WARNINGS) $(GCC_WARNINGS) -o $@ $<

# What is shipped has a name like the other programs'.
$(B)/bin/risoluto-rehearsal-model: $(B)/bin/rehearsal_model
	$(Q)ln -f $< $@

TEST_LIBS := $(foreach l,support control cli dataplane proto fakes common,\
  $(call lib,$(l)))
$(UNIT_BINARIES) $(INTEGRATION_BINARIES): $(B)/tests/%: \
  $(B)/obj/tests/%.o $(TEST_LIBS)
	$(link) -lcriterion $(LIBS_ALL)
$(FUZZ_BINARIES): $(B)/tests/%: $(B)/obj/tests/%.o $(TEST_LIBS)
	$(link) $(LIBS_ALL)

# ---- running it ----

SCRIPT = @env -u MAKEFLAGS -u MAKELEVEL

.PHONY: up demo down purge run logs status images install
up: ## install what is missing, build, start both planes in Docker
	$(SCRIPT) deploy/up.sh
demo: ## file an issue and follow it to its end
	$(SCRIPT) deploy/demo.sh
down: ## stop and remove it all; data and workspaces stay
	$(SCRIPT) deploy/down.sh
purge: ## down, and remove data, workspaces and images too
	$(SCRIPT) deploy/down.sh --purge
run: build fakes ## both planes as plain processes, until Ctrl-C
	$(SCRIPT) deploy/run.sh
logs: ## follow what the planes say
	$(SCRIPT) deploy/status.sh logs
status: ## what is running
	$(SCRIPT) deploy/status.sh
images: build fakes ## build the images that are missing or stale
	$(SCRIPT) deploy/images.sh

PREFIX ?= /usr/local
install: build ## programs and man pages, below PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(BINARIES) $(DESTDIR)$(PREFIX)/bin
	for page in $(wildcard docs/man/*.[1-8]); do \
	  install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} \
	    $$page || exit 1; done

# ---- testing it ----

# SUITES: unit, integration, e2e. ONLY: a part of a suite's name.
SUITES ?= unit integration e2e
.PHONY: test check format format-check boundaries tidy clean docs \
  help bench
test: ## build and run all tests; ends with `N passed, N failed`
	$(SCRIPT) tests/run --variant $(VARIANT) --only "$(ONLY)" $(SUITES)
check: ## format, boundaries, clang-tidy, cppcheck, shellcheck, man pages
	$(SCRIPT) tests/check
bench: build ## memory and start time of the idle planes
	$(SCRIPT) tests/bench/idle
format: ## rewrite the sources in the project's format
	clang-format -i $(wildcard $(ALL_SOURCES)) $(ALL_HEADERS)
format-check boundaries tidy:
	$(SCRIPT) tests/check $@

docs: $(B)/tests/unit/test_doc ## rewrite the pages that are made from tables
	RISOLUTO_UPDATE_DOCS=1 $<

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# spaaksim: `make help` names the targets. Loud with V=1; out of tree in build/, sanitized build in build/san.
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
BUILD   := build$(if $(SAN),/san)
OPT     ?= $(if $(SAN),-O1 -fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer,-O2)
comma   := ,
# protobuf-c's macros cast const away: gcc lets those of system headers pass, clang does not
CLANG   := $(findstring __clang__,$(shell echo | $(CC) -dM -E - 2>/dev/null))
# WERROR= for a compiler that warns of more than those we know
WERROR  ?= -Werror
WARN    := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
           $(if $(CLANG),,-Wcast-qual) -Wwrite-strings -Wvla -Wundef -Wformat=2 $(WERROR)
CFLAGS   = -std=gnu17 $(OPT) -g $(WARN) -D_GNU_SOURCE -I. -I$(BUILD)/gen -MMD -MP
GENFLAGS := -std=gnu17 $(OPT) -g -I$(BUILD)/gen
LDFLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined) -Wl,--as-needed
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

# ---- what is made of what -------------------------------------------------------------------------------
PROTO    := $(wildcard proto/*.proto)
GEN      := $(PROTO:proto/%.proto=$(BUILD)/gen/proto/%.pb-c.c)
core_SRC := $(wildcard $(addsuffix /*.c,lib/base lib/crypto lib/can lib/pki lib/env lib/msg lib/uds lib/http lib/html lib/mail lib/json lib/token lib/card lib/ble lib/ccc lib/ccc/*)) \
            $(addprefix lib/host/,fault.c medium.c node.c node_tap.c seal.c store.c)
# hosts and media: programs take from this library what they name, so a component's has no virtual world in it
host_SRC := $(filter-out $(core_SRC) %_main.c,$(wildcard lib/host/*.c lib/media/*.c lib/media/*/*.c))
# a component is a folder; its name is the folder's, the class's and the program's
FOLDERS  := $(patsubst %/,%,$(wildcard ecu/*/ backend/*/ sim/actors/*/)) sgw tbm
component_SRC := $(wildcard $(FOLDERS:%=%/*.c))
sim_SRC  := $(filter-out %_main.c sim/main.c,$(wildcard sim/*.c sim/language/*.c sim/run/*.c sim/chaos/*.c sim/replay/*.c sim/world/*.c sim/plant/*.c sim/play/*.c sim/uds/*.c))
obj       = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
GEN_OBJ  := $(patsubst $(BUILD)/gen/%.c,$(BUILD)/obj/gen/%.o,$(GEN))
CORE     := $(BUILD)/libcore.a

PROGRAMS := spaaksim zygote hub
COMPONENTS := $(notdir $(FOLDERS))
BIN      := $(PROGRAMS:%=$(BUILD)/bin/%) $(COMPONENTS:%=$(BUILD)/bin/%)
CRYPTO   := -lcrypto
HOST     := -lsystemd -lsqlite3 -lprotobuf-c -ljansson $(CRYPTO)

TEST_SRC := $(wildcard tests/test_*.c)
# what tests share
RIG      := $(filter-out $(addprefix tests/,test_% bench_% fuzz_% kernel_% record_% card_%),$(wildcard tests/*.c))
TESTS    := $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
RECORD   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/record_*.c))
CARD     := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/card_*.c))
BENCH    := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/bench_*.c))
LIBSIM   := $(BUILD)/libsim.a
LIBHOST  := $(BUILD)/libhost.a
LIBRIG   := $(BUILD)/librig.a
group     = -Wl,--start-group $(1) -Wl,--end-group

# for `make coverage`: the folder whose objects count what they execute
ifneq ($(COVERED),)
$(BUILD)/obj/$(COVERED)/%.o: override OPT += --coverage
LDFLAGS += --coverage
endif

# kept, so that a second `make test` has nothing to do
.SECONDARY:

.PHONY: all help setup scenario scenarios random play card list test check bench fuzz prove coverage memcheck guest-test real-test clean format
all: setup $(BIN)

help:
	@sed -n 's/^## //p' Makefile

# ---- set-up: named packages, installed when missing --------------------------------------------------------
$(GEN) $(TESTS) $(BENCH) $(call obj,$(core_SRC)): | setup
setup:
	$(Q)scripts/setup.sh build

# ---- building -----------------------------------------------------------------------------------------------
# headers without warnings, but not of a system's folder: what includes them is made anew when they change
$(BUILD)/gen/proto/%.pb-c.c: proto/%.proto Makefile
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(BUILD)/gen && protoc-c --c_out=$(BUILD)/gen $< && sed -i '1i #pragma GCC system_header' $(@:.c=.h)

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	$(Q)mkdir -p $(@D) && $(CC) $(GENFLAGS) -c $< -o $@

# Criterion's macros are not clean under these
$(BUILD)/obj/tests/test_%.o $(BUILD)/obj/tests/vehicle_bench.o $(BUILD)/obj/tests/module_bench.o $(BUILD)/obj/tests/unlock_bench.o $(BUILD)/obj/tests/isotp_player.o: WARN += -Wno-conversion -Wno-shadow -Wno-cast-qual -Wno-write-strings $(if $(CLANG),-Wno-incompatible-pointer-types-discards-qualifiers,-Wno-discarded-qualifiers)

$(BUILD)/obj/%.o: %.c Makefile | $(GEN)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) -c $< -o $@

# contained in the object
$(BUILD)/obj/lib/media/mail/postbox.o: lib/media/mail/postbox.py

$(CORE): $(call obj,$(core_SRC)) $(GEN_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(LIBHOST): $(call obj,$(host_SRC))
	$(Q)rm -f $@ && ar rcs $@ $^

$(LIBSIM): $(call obj,$(sim_SRC) $(component_SRC))
	$(Q)rm -f $@ && ar rcs $@ $^

define program
$(BUILD)/bin/$(1): $(call obj,$(2)) $(4) $(LIBHOST) $(CORE)
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $(CC) $(LDFLAGS) $$(filter %.o,$$^) $$(call group,$$(filter %.a,$$^)) $(3) -o $$@
endef
$(eval $(call program,spaaksim,sim/main.c,-lyaml -lsocketcan -lreadline $(HOST),$(LIBSIM)))
$(eval $(call program,zygote,sim/zygote_main.c,-lmosquitto $(HOST),$(LIBSIM)))
$(eval $(call program,hub,lib/media/can/hub_main.c,$(CRYPTO)))

# a folder in tests with a cast of its own: the same programs with that cast, found beside each other
CASTS    := $(patsubst tests/%/cast.c,%,$(wildcard tests/*/cast.c))
CAST_BIN := $(foreach c,$(CASTS),$(addprefix $(BUILD)/tests/$(c)/bin/,$(PROGRAMS)))
define cast_program
$(BUILD)/tests/$(1)/bin/$(2): $(call obj,$(3) $(wildcard tests/$(1)/*.c)) $(LIBSIM) $(LIBHOST) $(CORE)
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $(CC) $(LDFLAGS) $$(filter %.o,$$^) $$(call group,$$(filter %.a,$$^)) $(4) -o $$@
endef
$(foreach c,$(CASTS),$(eval $(call cast_program,$(c),spaaksim,sim/main.c,-lyaml -lsocketcan -lreadline $(HOST))))
$(foreach c,$(CASTS),$(eval $(call cast_program,$(c),zygote,sim/zygote_main.c,-lmosquitto $(HOST))))
$(CASTS:%=$(BUILD)/tests/%/bin/hub): $(BUILD)/bin/hub
	$(Q)mkdir -p $(@D) && ln -sf ../../../bin/hub $@

# the same program by a component's name is that component
$(COMPONENTS:%=$(BUILD)/bin/%): $(BUILD)/bin/zygote
	$(Q)ln -sf zygote $@

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(LIBRIG) $(LIBSIM) $(LIBHOST) $(CORE)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $(filter %.o,$^) $(call group,$(filter %.a,$^)) $(if $(filter-out bench_door,$(filter bench_% record_% card_%,$(@F))),,-lcriterion -lmosquitto -lssl) -lyaml -lsocketcan $(HOST) -o $@

$(LIBRIG): $(call obj,$(RIG))
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/tests/test_card_phone: | $(BUILD)/tests/card_phone
$(addprefix $(BUILD)/tests/,test_air test_attacks test_broken test_cards test_media test_nfc test_postbox test_readers test_records test_topics test_web): | $(CAST_BIN)

# each function that failing_openssl.c names goes through it
$(BUILD)/tests/test_crypto_failure $(BUILD)/tests/test_crypto_failure_pairing: LDFLAGS += $(patsubst %,-Wl$(comma)--wrap=%,p256_public $(shell grep -o '^FAILS.[A-Za-z0-9_]*' tests/failing_openssl.c | cut -c 7-))

# each of OpenSSL's functions that they time goes through them
$(BUILD)/tests/bench_pairing $(BUILD)/tests/bench_approach: LDFLAGS += $(patsubst %,-Wl$(comma)--wrap=%,$(shell sed -n 's,^TIMED2*.int. \([A-Za-z0-9_]*\).*,\1,p' tests/$(@F).c))

# the fuzz targets: in the short run of `make test`, and under libFuzzer
FUZZ_PART := $(call obj,tests/fuzz_targets.c tests/fuzz_records.c tests/fuzz_uds.c tests/fuzz_gate.c tests/fuzz_http.c tests/fuzz_mail.c tests/fuzz_words.c tests/fuzz_backend.c tests/fuzz_keys.c tests/fuzz_reader.c tests/fuzz_card.c tests/fuzz_ble.c tests/fuzz_approach.c tests/fuzz_logs.c lib/host/seeded.c)
$(BUILD)/tests/test_fuzz: $(FUZZ_PART)
$(BUILD)/tests/fuzz_main: $(call obj,tests/fuzz_main.c tests/pairing_rig.c tests/vehicle_samples.c tests/uds_ecu.c tests/uds_ecu_table.c \
    tests/support.c lib/host/store.c lib/msg/diagnostic.c lib/msg/reader.c sim/plant/oem.c \
    $(wildcard sgw/*.c lib/can/*.c lib/env/env.c lib/env/isotp_port.c lib/env/trace.c tests/rig_*.c lib/base/*.c lib/crypto/*.c lib/pki/*.c lib/uds/*.c lib/http/*.c lib/mail/*.c lib/card/*.c lib/ccc/*.c lib/ccc/*/*.c)) \
    $(addprefix $(BUILD)/obj/gen/proto/,dk_records.pb-c.o vehicle_records.pb-c.o) $(FUZZ_PART) $(LIBSIM) $(LIBHOST) $(CORE)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $(OPT) -fsanitize=fuzzer $(filter %.o,$^) $(call group,$(filter %.a,$^)) -lyaml -lsocketcan -lmosquitto $(HOST) -o $@
$(BUILD)/tests/fuzz_scenarios: $(call obj,$(addprefix tests/,fuzz_scenarios.c hostile.c hostile_values.c hostile_check.c)) $(LIBSIM) $(LIBHOST) $(CORE)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $(OPT) $(filter %.o,$^) $(call group,$(filter %.a,$^)) -lyaml -lsocketcan -lreadline $(HOST) -o $@

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- running ------------------------------------------------------------------------------------------------
# CAN=hub, GSDP=..., NFC=...: a choice for a medium, for the option of its name
medium_options = $(foreach m,$(notdir $(patsubst %/,%,$(wildcard lib/media/*/))),\
    $(if $($(shell echo $(m) | tr a-z A-Z)),--$(m) $($(shell echo $(m) | tr a-z A-Z))))

## make scenario NAME=pp01 [WORLD=virtual SEED=7 CAN=hub GSDP=...]   run one scenario
scenario: all
	@$(if $(NAME),,echo 'which one? make scenario NAME=pp01; make list names them' >&2; exit 2)
	$(Q)$(BUILD)/bin/spaaksim run $(NAME) $(if $(WORLD),--world $(WORLD)) $(if $(SEED),--seed $(SEED)) \
	    $(medium_options) $(if $(V),--verbose)

## make play NAME=pp01 [WORLD=virtual SEED=7]       drive a scenario's world by hand; `help` names the lines
play: all
	$(Q)$(BUILD)/bin/spaaksim play $(NAME) $(if $(WORLD),--world $(WORLD)) $(if $(SEED),--seed $(SEED)) \
	    $(medium_options) $(if $(V),--verbose)

## make scenarios      run all scenarios in both worlds, several at a time; out/junit.xml
scenarios: all
	$(Q)$(BUILD)/bin/spaaksim run --all $(if $(WORLD),--world $(WORLD)) $(if $(SEED),--seed $(SEED))

## make random         a thousand seeds of random faults (N=1000 SEED=1 NAME=pp01 WORLD=virtual)
N       ?= 1000
RANDOM_OF := pp01 unlock life pp02 op01a op05 op03 key-suspended op02-card-key op06
random: all
	$(Q)rc=0; for s in $(or $(NAME),$(RANDOM_OF)); do $(BUILD)/bin/spaaksim run $$s --world $(or $(WORLD),virtual) \
	    --faults random --seeds $(N) --seed $(or $(SEED),1) --out out/random/$$s || rc=1; done; exit $$rc

## make card SOCKET=/path/of/reader [FILES=folder]  a phone with a Digital Key for a reader of your own
card: $(BUILD)/tests/card_phone
	@$(if $(SOCKET),,echo 'where does your reader listen? make card SOCKET=/path/of/socket; docs/ccc.md has the frames' >&2; exit 2)
	$(Q)$< $(SOCKET) $(if $(FILES),--files $(FILES)) $(if $(SEED),--seed $(SEED))

## make list           name the scenarios
list: all
	$(Q)$(BUILD)/bin/spaaksim list

## make test           all tests (SAN=1: with ASan, UBSan and leak reports as failures)
test: all $(CAST_BIN) $(TESTS) $(RECORD) $(CARD)
	$(Q)scripts/setup.sh test || echo 'going on: what needs it will be skipped'
	$(Q)scripts/run-tests.sh $(BUILD) $(TESTS)

## make check          format, lint, includes, symbols, scenario files (ONLY='format length': some)
check: all $(CAST_BIN)
	$(Q)scripts/setup.sh check
	$(Q)scripts/check.sh $(BUILD) $(ONLY)

## make bench          figures as JSON lines: name, value, unit, floor, ratio (ONLY=core: some rows; BASE=<commit>: beside that commit's)
ROUNDS  ?= 3
bench: all $(BENCH)
	$(Q)CC='$(CC)' OPT='$(OPT)' SAN='$(SAN)' ONLY='$(ONLY)' ROUNDS='$(ROUNDS)' scripts/bench.sh $(BUILD) $(BASE)

## make fuzz           libFuzzer on every parser and both ends of pairing, TIME=60 seconds altogether; 10000 scenario files
TIME    ?= 60
fuzz: setup
	$(Q)scripts/setup.sh fuzz
	$(Q)$(MAKE) --no-print-directory BUILD=build/fuzz CC=clang WARN='-Wall -Wextra -Werror' OPT='-O1 -fno-omit-frame-pointer -fsanitize=address$(comma)undefined$(comma)fuzzer-no-link -fno-sanitize-recover=all' build/fuzz/tests/fuzz_main build/fuzz/tests/fuzz_scenarios
	$(Q)scripts/fuzz.sh build/fuzz $(TIME) $(TARGET)

## make coverage       branches of lib/ccc that its tests take, by file; what no test takes; fails below 90 %
COV_OF   := ccc approach spake2p channel key_data dk device applet pairing vehicle link_fault cross_check crypto short_inputs missing_parts
COV      := $(patsubst tests/%.c,build/cov/tests/%,$(wildcard $(COV_OF:%=tests/test_%*.c)))
coverage: setup
	$(Q)scripts/setup.sh coverage
	$(Q)$(MAKE) --no-print-directory BUILD=build/cov OPT='-O0' COVERED=lib/ccc $(COV) $(patsubst $(BUILD)/%,build/cov/%,$(BIN) $(RECORD))
	$(Q)scripts/coverage.sh build/cov lib/ccc 90 $(COV)

## make memcheck       a pairing and two unlocks under valgrind
memcheck: setup $(BUILD)/tests/record_exchange
	$(Q)scripts/setup.sh memcheck
	$(Q)valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect,possible $(BUILD)/tests/record_exchange >/dev/null
	@echo 'no error, no leak'

## make prove          Frama-C's Eva on the parsers: no run-time error for any input up to a bound (ONLY='tlv der': some)
prove:
	$(Q)scripts/setup.sh prove
	$(Q)scripts/prove.sh $(BUILD) $(ONLY)

## make guest-test     kernel CAN in a small virtual machine: pp01 on vcan, our ISO-TP against the kernel's
guest-test: all $(BUILD)/tests/kernel_isotp
	$(Q)scripts/setup.sh guest
	$(Q)scripts/guest-test.sh $(BUILD)

## make real-test      the same on this machine's own kernel, where it has vcan
real-test: all $(BUILD)/tests/kernel_isotp
	$(Q)scripts/setup.sh real
	$(Q)scripts/kernel-can.sh $(BUILD)

## make format         put all sources into the project's form
format:
	$(Q)scripts/sources.sh | xargs clang-format -i

## make clean          remove what was built
clean:
	$(Q)rm -rf build out

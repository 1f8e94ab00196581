# Fuzzing with clang's libFuzzer. The corpora are kept in fuzz/corpus; what a run finds new is added, so that a run
# goes on where the last one ended. FUZZ_SECONDS is per target.
FUZZ_SECONDS ?= 600
FUZZ_TARGETS := raw pcap
FUZZ_BIN := $(BUILD)/fuzz
CLANG ?= clang
FUZZ_FLAGS := -std=gnu11 -D_GNU_SOURCE -I. -Iuapi -Ilib -O1 -g -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all

$(FUZZ_BIN)/raw: fuzz/fuzz_raw.c $(RAW_READING)
$(FUZZ_BIN)/pcap: fuzz/fuzz_pcap.c $(PCAP_READING) tools/pcap2raw/to_raw.c lib/byte_input.c lib/byte_output.c core/raw.c
$(FUZZ_TARGETS:%=$(FUZZ_BIN)/%): $(HEADERS)
	@mkdir -p $(@D)
	$(CLANG) $(FUZZ_FLAGS) -o $@ $(filter %.c,$^)

.PHONY: test-fuzz
test-fuzz: $(FUZZ_TARGETS:%=$(FUZZ_BIN)/%)
	@fuzz/run.sh $(FUZZ_BIN) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

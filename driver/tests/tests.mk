# User-space tests: plain C, each a program that fails loudly. Those with threads run under ThreadSanitizer,
# all others under AddressSanitizer and UndefinedBehaviourSanitizer.
TEST_BIN := $(BUILD)/tests
TEST_RING := tests/ring_memory.c tests/frames.c $(MODULE_CORE) lib/next.c

$(TEST_BIN)/test_raw: $(call objects,address,tests/test_raw.c core/raw.c core/raw_scan.c lib/next.c)
$(TEST_BIN)/test_ring: $(call objects,address,tests/test_ring.c $(TEST_RING))
$(TEST_BIN)/test_listeners: $(call objects,address,tests/test_listeners.c $(TEST_RING))
$(TEST_BIN)/test_capture: $(call objects,address,tests/test_capture.c $(TEST_RING))
$(TEST_BIN)/test_bursts: $(call objects,address,tests/test_bursts.c $(TEST_RING))
$(TEST_BIN)/test_pieces: $(call objects,address,tests/test_pieces.c $(TEST_RING))
$(TEST_BIN)/test_clock: $(call objects,address,tests/test_clock.c core/clock.c)
$(TEST_BIN)/sim_timestamps: $(call objects,address,tests/sim_timestamps.c core/stamp.c)
$(TEST_BIN)/sim_duplicates: $(call objects,address,tests/sim_duplicates.c core/dedup.c)

$(TEST_BIN)/test_raw_reader $(TEST_BIN)/test_raw_damage: $(TEST_BIN)/%: $(call objects,address,tests/%.c \
	tests/raw_seen.c tests/raw_file.c tests/frames.c core/raw.c $(RAW_READING))
$(TEST_BIN)/test_raw_writer: $(call objects,address,tests/test_raw_writer.c tests/sandbox.c core/raw.c \
	core/raw_scan.c lib/next.c tools/hpcapdd/raw_writer.c tools/hpcapdd/raw_path.c)
$(TEST_BIN)/test_guard: $(call objects,address,tests/test_guard.c tests/sandbox.c tools/hpcapdd/guard.c)
$(TEST_BIN)/test_data_files: $(call objects,address,tests/test_data_files.c tests/sandbox.c $(HPCAPSTAT_PARTS))
$(TEST_BIN)/test_loop: $(call objects,address,tests/test_loop.c tests/ring_device.c lib/loop.c $(TEST_RING))
$(TEST_BIN)/test_hpcapstat: $(call objects,address,tests/test_hpcapstat.c tests/sandbox.c)
$(TEST_BIN)/test_tally: $(call objects,address,tests/test_tally.c tools/hpcapstat/tally.c)
DEVICE_TESTS := test_hpcapdd test_hpcapdd_disk test_hpcapdump test_hpcapstat_by
$(DEVICE_TESTS:%=$(TEST_BIN)/%): $(TEST_BIN)/%: $(call objects,address,tests/%.c \
	tests/hpcapdd_program.c tests/sandbox.c tests/frames.c core/raw_scan.c)
$(TEST_BIN)/test_hpcapdd_disk: $(call objects,address,tests/bad_disk.c)
$(TEST_BIN)/test_hpcapstat_by: $(call objects,address,tests/raw_file.c core/raw.c)

TOOL_TESTS := test_raw2pcap test_pcap2raw test_checkraw
$(TOOL_TESTS:%=$(TEST_BIN)/%): $(TEST_BIN)/%: $(call objects,address,tests/%.c tests/sandbox.c tests/raw_file.c \
	tests/frames.c core/raw.c)

# The programs under test: hpcapdd with a ring of its own in the place of a device, raw2pcap as it is.
$(TEST_BIN)/hpcapdd: $(call objects,address,$(HPCAPDD) lib/json_text.c tests/ring_device.c $(TEST_RING))
$(TEST_BIN)/checkraw: $(call objects,address,$(CHECKRAW) $(SHARED))
$(TEST_BIN)/hpcapdump: $(call objects,address,$(HPCAPDUMP) lib/pcap_writer.c lib/byte_output.c tests/ring_device.c \
	$(TEST_RING))
$(TEST_BIN)/hpcapstat: $(call objects,address,$(HPCAPSTAT) $(RAW_READING) lib/counters.c tests/ring_device.c $(TEST_RING))
$(TEST_BIN)/pcap2raw: $(call objects,address,$(PCAP2RAW) $(SHARED) core/raw.c)
$(TEST_BIN)/raw2pcap: $(call objects,address,$(RAW2PCAP) $(SHARED))

# The library over a ring of its own, for the tests of its Python binding (../tests/contract/test_capture.py).
$(TEST_BIN)/libhpcapvf.so.1: $(call objects,plain,tests/ring_device.c lib/loop.c $(TEST_RING)) lib/libhpcapvf.map
	@mkdir -p $(@D)
	$(CC) -shared -Wl,-soname,libhpcapvf.so.1 -Wl,--version-script=lib/libhpcapvf.map -pthread -o $@ $(filter %.o,$^)

# The model of a virtual function: a program for QEMU's vfio-user-pci, and its parts against a hostile guest.
VF_MODEL := tests/model/vf.c tests/model/vf_dma.c tests/model/rss.c tests/model/pf.c tests/model/pf_answers.c tests/model/guest_memory.c
$(TEST_BIN)/test_vf_model: $(call objects,address,tests/test_vf_model.c $(VF_MODEL))
.PHONY: model
model: $(BUILD)/bin/vf-model
$(BUILD)/bin/vf-model: $(call objects,plain,$(VF_MODEL) tests/model/main.c tests/model/control.c tests/model/feed.c \
		tests/model/pci.c tests/model/vfio_user.c $(PCAP_READING) lib/byte_input.c)
	@mkdir -p $(@D)
	$(CC) -o $@ $^

PROGRAMS := $(TOOLS)
ADDRESS_TESTS := test_raw test_raw_reader test_raw_damage test_ring test_listeners test_capture test_bursts test_pieces test_clock \
	sim_timestamps sim_duplicates test_raw_writer test_guard test_data_files test_tally test_hpcapstat test_loop test_vf_model $(DEVICE_TESTS) $(TOOL_TESTS)
$(PROGRAMS:%=$(TEST_BIN)/%) $(ADDRESS_TESTS:%=$(TEST_BIN)/%):
	@mkdir -p $(@D)
	$(CC) $(SANITIZE_ADDRESS) -pthread -o $@ $^ -ldl -lm

THREAD_TESTS := test_ring_threads test_listener_threads
$(THREAD_TESTS:%=$(TEST_BIN)/%): $(TEST_BIN)/%: $(call objects,thread,tests/%.c $(TEST_RING))
	@mkdir -p $(@D)
	$(CC) $(SANITIZE_THREAD) -pthread -o $@ $^

test: $(PROGRAMS:%=$(TEST_BIN)/%) $(ADDRESS_TESTS:%=$(TEST_BIN)/%) $(THREAD_TESTS:%=$(TEST_BIN)/%)
	@for test in $(ADDRESS_TESTS) $(THREAD_TESTS); do \
		echo "$$test"; timeout 300 $(TEST_BIN)/$$test || { echo "$$test: FAILED"; exit 1; }; done
	@echo "driver: all user-space tests passed"

# Not among the tests: it takes 5 GiB of memory, if there are as many.
.PHONY: test-large-ring
test-large-ring: $(TEST_BIN)/large_ring
	$<
$(TEST_BIN)/large_ring: $(call objects,plain,tests/large_ring.c $(TEST_RING))
	@mkdir -p $(@D)
	$(CC) -o $@ $^

include tests/kernel/kernel.mk

# For comparing capture programs (../tests/comparison).
COMPARISON_PROGRAMS := $(BUILD)/tests/count_numbered $(BUILD)/tests/feed_card
device-tests: $(COMPARISON_PROGRAMS)
$(BUILD)/tests/count_numbered: $(call objects,plain,tests/device/count_numbered.c tests/device/numbered.c tests/frames.c \
	$(RAW_READING) $(PCAP_READING))
$(BUILD)/tests/feed_card: $(call objects,plain,tests/device/feed_card.c tests/device/numbered.c tests/frames.c)
$(COMPARISON_PROGRAMS):
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

# User-space tests: plain C, each a program that fails loudly. Those with threads run under ThreadSanitizer,
# all others under AddressSanitizer and UndefinedBehaviourSanitizer.
TEST_BIN := $(BUILD)/tests
TEST_RING := tests/ring_memory.c tests/frames.c $(MODULE_CORE) lib/next.c

$(TEST_BIN)/test_raw: $(call objects,address,tests/test_raw.c core/raw.c core/raw_scan.c lib/next.c)
$(TEST_BIN)/test_ring: $(call objects,address,tests/test_ring.c $(TEST_RING))
$(TEST_BIN)/test_listeners: $(call objects,address,tests/test_listeners.c $(TEST_RING))
$(TEST_BIN)/test_capture: $(call objects,address,tests/test_capture.c $(TEST_RING))
$(TEST_BIN)/test_clock: $(call objects,address,tests/test_clock.c core/clock.c)
$(TEST_BIN)/sim_timestamps: $(call objects,address,tests/sim_timestamps.c core/stamp.c)
$(TEST_BIN)/sim_duplicates: $(call objects,address,tests/sim_duplicates.c core/dedup.c)

$(TEST_BIN)/test_raw_writer: $(call objects,address,tests/test_raw_writer.c tests/sandbox.c core/raw.c \
	core/raw_scan.c lib/next.c tools/hpcapdd/raw_writer.c tools/hpcapdd/raw_path.c)
$(TEST_BIN)/test_hpcapdd: $(call objects,address,tests/test_hpcapdd.c tests/sandbox.c tests/frames.c core/raw_scan.c)
$(TEST_BIN)/test_raw2pcap: $(call objects,address,tests/test_raw2pcap.c tests/sandbox.c tests/frames.c core/raw.c)

# The programs under test: hpcapdd with a ring of its own in the place of a device, raw2pcap as it is.
$(TEST_BIN)/hpcapdd: $(call objects,address,$(HPCAPDD) tests/ring_device.c $(TEST_RING))
$(TEST_BIN)/raw2pcap: $(call objects,address,$(RAW2PCAP) core/raw_scan.c)

PROGRAMS := hpcapdd raw2pcap
ADDRESS_TESTS := test_raw test_ring test_listeners test_capture test_clock sim_timestamps sim_duplicates test_raw_writer test_hpcapdd test_raw2pcap
$(PROGRAMS:%=$(TEST_BIN)/%) $(ADDRESS_TESTS:%=$(TEST_BIN)/%):
	@mkdir -p $(@D)
	$(CC) $(SANITIZE_ADDRESS) -pthread -o $@ $^ -lm

THREAD_TESTS := test_ring_threads test_listener_threads
$(THREAD_TESTS:%=$(TEST_BIN)/%): $(TEST_BIN)/%: $(call objects,thread,tests/%.c $(TEST_RING))
	@mkdir -p $(@D)
	$(CC) $(SANITIZE_THREAD) -pthread -o $@ $^

test: $(PROGRAMS:%=$(TEST_BIN)/%) $(ADDRESS_TESTS:%=$(TEST_BIN)/%) $(THREAD_TESTS:%=$(TEST_BIN)/%)
	@for test in $(ADDRESS_TESTS) $(THREAD_TESTS); do \
		echo "$$test"; timeout 300 $(TEST_BIN)/$$test || { echo "$$test: FAILED"; exit 1; }; done
	@echo "driver: all user-space tests passed"

# For a machine with a device: copy it there and run it.
.PHONY: device-tests
device-tests: $(BUILD)/tests/abuse
$(BUILD)/tests/abuse: $(call objects,plain,tests/device/abuse.c $(LIB))
	@mkdir -p $(@D)
	$(CC) -o $@ $^

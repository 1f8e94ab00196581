# User-space tests: plain C, each a program that fails loudly. The ring with threads runs under ThreadSanitizer,
# all others under AddressSanitizer and UndefinedBehaviourSanitizer.
TEST_BIN := $(BUILD)/tests
TEST_RING := tests/ring_memory.c tests/frames.c core/raw.c core/ring.c lib/next.c

$(TEST_BIN)/test_raw: $(call objects,address,tests/test_raw.c core/raw.c core/raw_scan.c lib/next.c)
$(TEST_BIN)/test_ring: $(call objects,address,tests/test_ring.c $(TEST_RING))

ADDRESS_TESTS := test_raw test_ring
$(ADDRESS_TESTS:%=$(TEST_BIN)/%):
	@mkdir -p $(@D)
	$(CC) $(SANITIZE_ADDRESS) -o $@ $^

$(TEST_BIN)/test_ring_threads: $(call objects,thread,tests/test_ring_threads.c $(TEST_RING))
	@mkdir -p $(@D)
	$(CC) $(SANITIZE_THREAD) -pthread -o $@ $^

test: $(ADDRESS_TESTS:%=$(TEST_BIN)/%) $(TEST_BIN)/test_ring_threads
	@for test in $(ADDRESS_TESTS) test_ring_threads; do \
		echo "$$test"; timeout 300 $(TEST_BIN)/$$test || { echo "$$test: FAILED"; exit 1; }; done
	@echo "driver: all user-space tests passed"

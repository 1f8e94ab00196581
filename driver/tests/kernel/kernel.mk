# SPDX-License-Identifier: GPL-2.0-or-later
# Programs for a machine that has a device; the cases of tests/kernel/cases use them: see tests/kernel/README.md.
KERNEL_TEST_PROGRAMS := abuse lend_memory send_frames expect_frames read_window
KERNEL_TEST_FILES := $(KERNEL_TEST_PROGRAMS:%=$(BUILD)/tests/%)
$(BUILD)/tests/abuse: $(call objects,plain,tests/device/abuse.c $(LIB))
$(BUILD)/tests/lend_memory: $(call objects,plain,tests/device/lend_memory.c $(LIB))
$(BUILD)/tests/send_frames: $(call objects,plain,tests/device/send_frames.c tests/device/numbered.c tests/frames.c)
$(BUILD)/tests/expect_frames: $(call objects,plain,tests/device/expect_frames.c tests/device/numbered.c \
	tests/frames.c $(LIB))
$(BUILD)/tests/read_window: $(call objects,plain,tests/device/read_window.c tests/device/numbered.c tests/frames.c)
$(KERNEL_TEST_FILES):
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

.PHONY: device-tests
device-tests: $(KERNEL_TEST_FILES)

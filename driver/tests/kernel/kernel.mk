# The module in a real kernel, in a small emulated machine; see tests/kernel/README.md. KDIR as for `module`.
KERNEL_TEST_PROGRAMS := abuse lend_memory send_frames expect_frames
KERNEL_TEST_FILES := $(KERNEL_TEST_PROGRAMS:%=$(BUILD)/tests/%)
$(BUILD)/tests/abuse: $(call objects,plain,tests/device/abuse.c $(LIB))
$(BUILD)/tests/lend_memory: $(call objects,plain,tests/device/lend_memory.c $(LIB))
$(BUILD)/tests/send_frames: $(call objects,plain,tests/device/send_frames.c tests/device/numbered.c tests/frames.c)
$(BUILD)/tests/expect_frames: $(call objects,plain,tests/device/expect_frames.c tests/device/numbered.c \
	tests/frames.c $(LIB))
$(KERNEL_TEST_FILES):
	@mkdir -p $(@D)
	$(CC) -o $@ $^

.PHONY: device-tests test-kernel
device-tests: $(KERNEL_TEST_FILES)

# MODULE: built for that kernel. The rest by the environment: ROOT, RELEASE, KERNEL, MODULES, QEMU, CASES.
MODULE ?= $(BUILD)/hpcapvf.ko
test-kernel: device-tests
	tests/kernel/run.sh $(abspath $(BUILD))/kernel $(abspath $(MODULE)) $(abspath $(KERNEL_TEST_FILES))

HPCAPDD_PARTS := tools/hpcapdd/capture.c tools/hpcapdd/guard.c tools/hpcapdd/options.c tools/hpcapdd/raw_path.c \
	tools/hpcapdd/raw_writer.c tools/hpcapdd/status.c
HPCAPDD := $(HPCAPDD_PARTS) tools/hpcapdd/main.c

# Linked with the library's objects: the program is one file to copy into a guest.
$(BUILD)/bin/hpcapdd: $(call objects,plain,$(HPCAPDD) core/raw.c lib/json_text.c $(LIB))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

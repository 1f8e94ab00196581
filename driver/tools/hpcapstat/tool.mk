HPCAPSTAT_PARTS := tools/hpcapstat/data_files.c tools/hpcapstat/machine_load.c tools/hpcapstat/tally.c
HPCAPSTAT := $(HPCAPSTAT_PARTS) tools/hpcapstat/options.c tools/hpcapstat/by.c tools/hpcapstat/main.c

$(BUILD)/bin/hpcapstat: $(call objects,plain,$(HPCAPSTAT) $(RAW_READING) $(LIB))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

HPCAPSTAT_PARTS := tools/hpcapstat/data_files.c tools/hpcapstat/machine_load.c
HPCAPSTAT := $(HPCAPSTAT_PARTS) tools/hpcapstat/main.c

$(BUILD)/bin/hpcapstat: $(call objects,plain,$(HPCAPSTAT) lib/counters.c)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

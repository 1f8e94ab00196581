HPCAPSTAT := tools/hpcapstat/main.c

$(BUILD)/bin/hpcapstat: $(call objects,plain,$(HPCAPSTAT) lib/counters.c)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

HPCAPSTAT := tools/hpcapstat/main.c

$(BUILD)/bin/hpcapstat: $(call objects,plain,$(HPCAPSTAT) $(LIB))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

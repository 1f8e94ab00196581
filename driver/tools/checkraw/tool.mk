CHECKRAW := tools/checkraw/main.c

$(BUILD)/bin/checkraw: $(call objects,plain,$(CHECKRAW) $(RAW_READING) lib/json_text.c)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

PCAP2RAW := tools/pcap2raw/main.c tools/pcap2raw/to_raw.c

$(BUILD)/bin/pcap2raw: $(call objects,plain,$(PCAP2RAW) $(PCAP_READING) lib/byte_input.c lib/input_file.c \
	lib/byte_output.c lib/output_file.c core/raw.c)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

RAW2PCAP := tools/raw2pcap/main.c tools/raw2pcap/convert.c tools/raw2pcap/time_point.c lib/frame_filter.c

$(BUILD)/bin/raw2pcap: $(call objects,plain,$(RAW2PCAP) $(RAW_READING) $(PCAP_WRITING))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -ldl

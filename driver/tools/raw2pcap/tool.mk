RAW2PCAP_PARTS := tools/raw2pcap/convert.c tools/raw2pcap/pcap_writer.c
RAW2PCAP := $(RAW2PCAP_PARTS) tools/raw2pcap/main.c

$(BUILD)/bin/raw2pcap: $(call objects,plain,$(RAW2PCAP) core/raw_scan.c)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^

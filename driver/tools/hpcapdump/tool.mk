HPCAPDUMP := tools/hpcapdump/main.c tools/hpcapdump/dump.c lib/frame_filter.c

$(BUILD)/bin/hpcapdump: $(call objects,plain,$(HPCAPDUMP) lib/pcap_writer.c lib/byte_output.c $(LIB))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -ldl

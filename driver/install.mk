# SPDX-License-Identifier: GPL-2.0-or-later
# make install DESTDIR=… PREFIX=/usr LIBDIR=/usr/lib/x86_64-linux-gnu: tools, man pages, library, udev rule, group.
LIBDIR ?= $(PREFIX)/lib
INSTALLED_HEADERS := uapi/hpcapvf.h lib/libhpcapvf.h
INSTALL_FILE := install -D -m 644

# Who may read the device nodes. Beside the tools too: a deployment copies etc/ into a guest as it is.
UDEV_RULE := udev/rules.d/60-hpcapvf.rules
GROUP := sysusers.d/hpcapvf.conf
$(BUILD)/etc/$(UDEV_RULE): udev/60-hpcapvf.rules
	$(INSTALL_FILE) $< $@
$(BUILD)/etc/$(GROUP): udev/hpcapvf.conf
	$(INSTALL_FILE) $< $@
user: $(BUILD)/etc/$(UDEV_RULE) $(BUILD)/etc/$(GROUP)

.PHONY: install
install: user
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR)
	install -m 755 $(TOOLS:%=$(BUILD)/bin/%) $(DESTDIR)$(PREFIX)/bin/
	for tool in $(TOOLS); do \
		$(INSTALL_FILE) tools/$$tool/$$tool.1 $(DESTDIR)$(PREFIX)/share/man/man1/$$tool.1 || exit 1; done
	for header in $(INSTALLED_HEADERS); do \
		$(INSTALL_FILE) $$header $(DESTDIR)$(PREFIX)/include/hpcapvf/$${header##*/} || exit 1; done
	$(INSTALL_FILE) $(BUILD)/lib/libhpcapvf.so.1 $(DESTDIR)$(LIBDIR)/libhpcapvf.so.1
	ln -sf libhpcapvf.so.1 $(DESTDIR)$(LIBDIR)/libhpcapvf.so
	$(INSTALL_FILE) $(BUILD)/lib/libhpcapvf.a $(DESTDIR)$(LIBDIR)/libhpcapvf.a
	$(INSTALL_FILE) $(BUILD)/lib/pkgconfig/libhpcapvf.pc $(DESTDIR)$(LIBDIR)/pkgconfig/libhpcapvf.pc
	$(INSTALL_FILE) udev/60-hpcapvf.rules $(DESTDIR)$(PREFIX)/lib/$(UDEV_RULE)
	$(INSTALL_FILE) udev/hpcapvf.conf $(DESTDIR)$(PREFIX)/lib/$(GROUP)

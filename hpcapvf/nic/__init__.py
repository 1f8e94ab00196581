"""Facts about SR-IOV network cards: device IDs, register tables, receive and mirror programmes."""

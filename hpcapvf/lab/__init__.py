"""The emulated two-node server: build, up, wire, down."""

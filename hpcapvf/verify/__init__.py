"""Machine against Plan, and the end-to-end proof."""

"""Capture engines beside each other on one emulated card."""

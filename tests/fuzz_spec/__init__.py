"""Specs that nobody would write, put through the command that an operator runs."""

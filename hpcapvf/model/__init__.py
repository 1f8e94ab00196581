"""Frozen data: what a host is, what is asked, what will be done. Imports nothing of the project."""

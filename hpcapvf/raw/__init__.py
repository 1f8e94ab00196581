"""RAW capture files in Python: the reference for the C tools."""

"""YAML text to a Request."""

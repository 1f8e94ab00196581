"""Host reads to a Host."""

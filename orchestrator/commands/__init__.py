"""One module per group of commands: how each is spelled, and what it does."""

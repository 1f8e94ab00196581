"""One small emulated machine: its initial RAM file system, its life, and what its console says."""

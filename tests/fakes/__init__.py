"""A machine that behaves, for tests that need effects without a machine."""

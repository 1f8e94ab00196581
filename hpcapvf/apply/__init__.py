"""Journal, running steps, undo."""

"""Many games against the pure machine."""

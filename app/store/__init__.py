"""State on disk, written atomically; secrets apart and 0600."""

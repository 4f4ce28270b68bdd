"""State on disk, written atomically; secrets apart and 0600."""

from app.store.state import MAX_SERVERS, Store

__all__ = ["MAX_SERVERS", "Store"]

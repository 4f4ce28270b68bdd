"""The state on disk, written atomically; secrets in files of their own, mode 0600."""

from app.store.state import MAX_SERVERS, Store

__all__ = ["MAX_SERVERS", "Store"]

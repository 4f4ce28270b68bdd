"""Modules are loaded without the garbage collector, which is enabled again afterwards, also after an error."""

from __future__ import annotations

import gc

import pytest

from app.loading import gc_disabled


def test_collector_is_off_while_loading_and_on_afterwards() -> None:
    try:
        with gc_disabled():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_a_module_that_cannot_be_loaded_leaves_the_collector_on() -> None:
    try:
        with pytest.raises(ImportError), gc_disabled():
            raise ImportError
        assert gc.isenabled()
    finally:
        gc.unfreeze()

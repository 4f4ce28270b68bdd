"""Modules are loaded without the garbage collector, and it is back afterwards whatever happened."""

from __future__ import annotations

import gc

import pytest

from app.loading import uncollected


def test_nothing_is_collected_and_what_was_loaded_stays() -> None:
    try:
        with uncollected():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_a_module_that_cannot_be_loaded_leaves_the_collector_on() -> None:
    try:
        with pytest.raises(ImportError), uncollected():
            raise ImportError
        assert gc.isenabled()
    finally:
        gc.unfreeze()

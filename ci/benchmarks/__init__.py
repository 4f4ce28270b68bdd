"""Benchmarks against the usual alternative: both in one run, the result a ratio; a missed target is a finding."""

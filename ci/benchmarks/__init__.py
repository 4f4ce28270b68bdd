"""Measurements against what one would use otherwise: always both in one run, always a ratio, a miss is a finding."""

"""Paths that a file of the tree names and that lead out of the tree, found without running anything."""

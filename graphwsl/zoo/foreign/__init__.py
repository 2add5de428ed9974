"""Readers of the published model zoos, in place: one file a layout."""

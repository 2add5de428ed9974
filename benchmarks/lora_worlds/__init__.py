"""Worlds in which adapters are made from prompts: a frozen base, tasks described in words."""

"""How much memory there is."""

import os


def machine_memory() -> int | None:
    """Memory of this machine [bytes]; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None

"""Keep freed memory in the process, which a training needs again at once."""

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_SIZES = {_MMAP_THRESHOLD: 2**30, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 2**27}


def keep_freed_memory() -> None:
    """Ask the C library not to return memory to the system between allocations.

    Otherwise the buffers of every step are new pages, which the system clears first: a third of
    the time of a training of small networks. Only the GNU C library listens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, size in _SIZES.items():
            mallopt(option, size)

"""Numbers of things in words."""


def counted(count: int, thing: str) -> str:
    """A number of things: ``1 grid``, ``2,577 lines``."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"

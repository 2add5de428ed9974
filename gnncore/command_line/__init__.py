"""What the command lines share: errors in one line, progress, how to continue."""

from gnncore.lazy import lazy

__all__: list[str] = []

__getattr__, __dir__ = lazy(__name__, {})

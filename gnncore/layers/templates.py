"""The code that PyG writes for an operator, without the file that it leaves behind.

For every class of operators PyG writes a module to a file in the folder for temporary files, and
never removes it. The text is kept in memory instead, where tracebacks and TorchScript find it.
"""

import linecache
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from torch import nn

_MADE = ("_jinja_propagate", "_jinja_edge_updater")


def keep_templates_in_memory(module: nn.Module) -> None:
    """Remove the files that PyG wrote for the operators in a module, and remember their text."""
    for part in module.modules():
        for name in _MADE:
            code = getattr(getattr(type(part), name, None), "__code__", None)
            path = Path("" if code is None else code.co_filename)
            if path.parent != Path(tempfile.gettempdir()) or not path.name.startswith(
                type(part).__module__
            ):
                continue
            with suppress(OSError):  # somebody else tidied up
                text = path.read_text(encoding="utf-8")
                lines = text.splitlines(keepends=True)
                # No time of change: the cache does not look for the file again.
                linecache.cache[str(path)] = (len(text), None, lines, str(path))
                os.unlink(path)

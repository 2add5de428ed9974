"""``python -m graphwsl …`` is ``graphwsl …``."""

from graphwsl.cli import main

main()

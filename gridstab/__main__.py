"""``python -m gridstab …`` is ``gridstab …``."""

from gridstab.cli import main

main()

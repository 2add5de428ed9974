"""Campaigns of simulations, their run folders, and the published layouts of labelled grids."""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from gridstab.datasets.campaign import Campaign as Campaign
    from gridstab.datasets.labelled_grid import LabelledGrid as LabelledGrid
    from gridstab.datasets.layouts import LAYOUTS as LAYOUTS
    from gridstab.datasets.run import Run as Run
    from gridstab.datasets.run import run_campaign as run_campaign
    from gridstab.datasets.run_folder import RunFolder as RunFolder
    from gridstab.datasets.transfer import export_run as export_run
    from gridstab.datasets.transfer import import_labels as import_labels
    from gridstab.datasets.verification import verify as verify

# Imported on first use: the engines take seconds to import.
_HOME = {
    "Campaign": "campaign",
    "LAYOUTS": "layouts",
    "LabelledGrid": "labelled_grid",
    "Run": "run",
    "RunFolder": "run_folder",
    "export_run": "transfer",
    "import_labels": "transfer",
    "run_campaign": "run",
    "verify": "verification",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)

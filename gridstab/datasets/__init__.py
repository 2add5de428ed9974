"""Campaigns of simulations, their run folders, and the published layouts of labelled grids."""

from gridstab.datasets.campaign import Campaign
from gridstab.datasets.labelled_grid import LabelledGrid
from gridstab.datasets.layouts import LAYOUTS
from gridstab.datasets.run import Run, run_campaign
from gridstab.datasets.run_folder import RunFolder
from gridstab.datasets.transfer import export_run, import_labels
from gridstab.datasets.verification import verify

__all__ = [
    "LAYOUTS",
    "Campaign",
    "LabelledGrid",
    "Run",
    "RunFolder",
    "export_run",
    "import_labels",
    "run_campaign",
    "verify",
]

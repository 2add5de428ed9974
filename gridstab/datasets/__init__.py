"""Campaigns of simulations, their run folders, and the published layouts of labelled grids."""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from gridstab.datasets.campaign import Campaign as Campaign
    from gridstab.datasets.labelled_grid import LabelledGrid as LabelledGrid
    from gridstab.datasets.landscape_folder import LandscapeFolder as LandscapeFolder
    from gridstab.datasets.landscape_run import run_landscapes as run_landscapes
    from gridstab.datasets.layouts import LAYOUTS as LAYOUTS
    from gridstab.datasets.layouts.landscapes import export_landscapes as export_landscapes
    from gridstab.datasets.layouts.landscapes import (
        read_published_landscapes as read_published_landscapes,
    )
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
    "LandscapeFolder": "landscape_folder",
    "Run": "run",
    "RunFolder": "run_folder",
    "export_landscapes": "layouts.landscapes",
    "export_run": "transfer",
    "import_labels": "transfer",
    "read_published_landscapes": "layouts.landscapes",
    "run_campaign": "run",
    "run_landscapes": "landscape_run",
    "verify": "verification",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)

"""The Dirac–Bianconi network of 2024 (arXiv:2407.12419)."""

from collections.abc import Iterator

from gnncore.models import ModelSpecification
from gnncore.training import TrainingSettings
from gridstab.learning.published.model import PublishedModel

SOURCE = "Nauck et al. 2024 (arXiv:2407.12419), companion repository"


def models() -> Iterator[PublishedModel]:
    """The Dirac–Bianconi network; its settings for basin stability are not published."""
    yield PublishedModel(
        "DBGNN",
        ModelSpecification(
            in_channels=1,
            edge_channels=1,
            layer="dirac_bianconi",
            layer_options={
                "num_steps": 24,
                "act": "leaky_relu",
                "delta": 1e-4,
                "dropout": 0.0149,
                "edge_dropout": 0.0025,
            },
            hidden_channels=120,
            hidden_edge_channels=120,
            num_layers=2,
            activation="identity",
            dropout=0.0149,
            edge_dropout=0.0025,
            skip="input",
            encoder="linear",
            output="sigmoid",
        ),
        TrainingSettings(
            epochs=500,
            batch_size=60,
            optimiser="adamw",
            learning_rate=0.0054818584469448145,
            weight_decay=0.0563959925155956,
            decay="all",
            schedule="one_cycle",
            div_factor=151,
            final_div_factor=4216749345.13404,
            clip_norm=1.0,
            clip_value=1.0,
            seed=1,
        ),
        SOURCE,
        "Two layers, Δ, optimiser, schedule, clipping and batches are those of its setting for "
        "Peptides-struct; channels and dropout those of its setting for fault ride-through; 24 "
        "steps a layer and 500 epochs are chosen here.",
    )

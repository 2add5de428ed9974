"""What is trained where no model is named."""

from gnncore.models import ModelSpecification
from gnncore.training import TrainingSettings
from gridstab.features.feature_set import FeatureSet
from gridstab.learning.published.model import PublishedModel

_FEATURES = FeatureSet.named("parametric_nodes")

DEFAULT_MODEL = PublishedModel(
    "Dirac–Bianconi",
    ModelSpecification(
        in_channels=_FEATURES.in_channels,
        edge_channels=_FEATURES.edge_channels,
        layer="dirac_bianconi",
        layer_options={"num_steps": 8, "act": "leaky_relu", "degree_power": 1.0},
        hidden_channels=48,
        num_layers=2,
        activation="identity",
        skip="input",
        encoder="linear",
        output="sigmoid",
    ),
    TrainingSettings(
        epochs=60,
        batch_size=16,
        learning_rate=3e-3,
        weight_decay=1e-2,
        schedule="one_cycle",
        clip_norm=1.0,
    ),
    "this package",
    "Everything; a smaller Dirac–Bianconi network that also sees the operating point, the "
    "solitary states and the parametric resonance that ends them. Chosen on the validation grids "
    "of both sizes; its features, lines that carry their coupling alone, its steps, and means in "
    "place of sums, on what they do to predictions for grids of another size and for MATPOWER "
    "cases.",
    _FEATURES,
    augment=True,
    clip=0.01,
)
"""What is trained where no model is named; not published."""

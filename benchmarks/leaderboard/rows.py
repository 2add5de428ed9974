"""What competes: published models, baselines on single nodes, and the models of this package."""

import hashlib
from dataclasses import dataclass, fields
from typing import Any

from gnncore.models import ModelSpecification
from gnncore.training import TrainingSettings
from gridstab.errors import InvalidParameterError
from gridstab.features.feature_set import FEATURE_SETS, FeatureSet
from gridstab.learning.baselines import BASELINES
from gridstab.learning.published import DEFAULT_MODEL, PUBLISHED_MODELS


@dataclass(frozen=True)
class Network:
    """A graph neural network and how it is trained.

    Attributes:
        specification: For the features below and basin stability.
        settings: Epochs and seed may be replaced.
        features: What it sees.
        augment: Whether training grids are mirrored (P → −P) at random.
        sign_invariant: Whether predictions are the mean of those for a grid and its mirror.
        clip: Share of the training values in either tail beyond which features are cut off.
    """

    specification: ModelSpecification
    settings: TrainingSettings
    features: FeatureSet
    augment: bool = False
    sign_invariant: bool = False
    clip: float = 0.0

    @property
    def description(self) -> str:
        """All that is not as by default, so that new options leave the old rows as they are."""
        parts = [
            self.specification.model_dump(mode="json", exclude_defaults=True),
            self.settings.model_dump(mode="json", exclude_defaults=True),
            {
                one.name: getattr(self, one.name)
                for one in fields(self)
                if one.name not in ("specification", "settings")
                and getattr(self, one.name) != one.default
            },
        ]
        return str([sorted(part.items()) for part in parts])


@dataclass(frozen=True)
class NodeBaseline:
    """A model of single nodes.

    Attributes:
        name: One of ``gridstab.learning.BASELINES``.
        features: What it sees.
    """

    name: str
    features: FeatureSet


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    Attributes:
        name: What ``--rows`` and the tables call it.
        group: ``published``, ``baselines`` or ``ours``.
        model: What is trained.
        published: Its name among the published results, None where they do not say that it is
            this model.
    """

    name: str
    group: str
    model: Network | NodeBaseline
    published: str | None = None

    @property
    def is_random(self) -> bool:
        """Whether seeds make a difference."""
        return isinstance(self.model, Network) or self.model.name == "mlp"

    @property
    def digest(self) -> str:
        """A hash of the model, its settings, and the code of its features."""
        model = self.model
        description = model.description if isinstance(model, Network) else repr(model)
        text = f"{description} {model.features.fingerprint}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def features_title(self) -> str:
        """Name of the feature set; that of its nodes' features where only those are its own."""
        features = self.model.features
        for name, known in FEATURE_SETS.items():
            if features == known:
                return name
        for name, known in FEATURE_SETS.items():
            if features.node == known.node:
                return f"{name}, nodes only"
        return "own"


FEATURES = FEATURE_SETS["local"]
"""What models of this package see in rows that do not say otherwise."""


def _ours(
    features: FeatureSet = FEATURES,
    augment: bool = True,
    clip: float = DEFAULT_MODEL.clip,
    num_steps: int = 16,
    size: dict[str, int] | None = None,
    **layer_options: Any,
) -> Network:
    """The architecture of the default model with these features and options of its layers; its
    channels and layers may be others too."""
    values = DEFAULT_MODEL.specification_for(features=features).model_dump() | (size or {})
    values["layer_options"] |= {"num_steps": num_steps} | layer_options
    specification = ModelSpecification(**values)
    return Network(specification, DEFAULT_MODEL.settings, features, augment, clip=clip)


OURS: dict[str, Network] = {
    "dirac_bianconi": _ours(),
    "dirac_bianconi_4_steps": _ours(num_steps=4),
    "dirac_bianconi_8_steps": _ours(num_steps=8),
    "dirac_bianconi_16_steps": _ours(num_steps=16),
    "dirac_bianconi_48_steps": _ours(num_steps=48),
    "dirac_bianconi_dropout": _ours(dropout=0.1),
    "dirac_bianconi_root_degree": _ours(degree_power=0.5),
    "dirac_bianconi_sum": _ours(degree_power=0.0),
    "dirac_bianconi_sum_4_steps": _ours(degree_power=0.0, num_steps=4),
    "dirac_bianconi_parametric": _ours(FEATURE_SETS["parametric"]),
    "dirac_bianconi_parametric_8_steps": _ours(FEATURE_SETS["parametric"], num_steps=8),
    "dirac_bianconi_parametric_4_steps": _ours(FEATURE_SETS["parametric"], num_steps=4),
    "dirac_bianconi_parametric_nodes_8_steps": _ours(FEATURE_SETS["parametric_nodes"], num_steps=8),
    "dirac_bianconi_parametric_nodes_96_channels": _ours(
        FEATURE_SETS["parametric_nodes"], num_steps=8, size={"hidden_channels": 96}
    ),
    "dirac_bianconi_parametric_nodes_4_layers": _ours(
        FEATURE_SETS["parametric_nodes"], num_steps=8, size={"num_layers": 4}
    ),
    "dirac_bianconi_trapping_nodes_8_steps": _ours(FEATURE_SETS["trapping_nodes"], num_steps=8),
    # Its layers need a signal on the lines; a constant coupling carries none.
    "dirac_bianconi_no_line_features": _ours(FeatureSet(node=FEATURES.node, edge=("coupling",))),
    "dirac_bianconi_no_mirror": _ours(augment=False),
    "dirac_bianconi_no_clip": _ours(clip=0.0),
    "dirac_bianconi_global_features": _ours(FEATURE_SETS["solitary"]),
    "dirac_bianconi_sum_global_features": _ours(FEATURE_SETS["solitary"], degree_power=0.0),
    "dirac_bianconi_node_loads": _ours(FEATURE_SETS["solitary"].without("phase", "susceptibility")),
    "dirac_bianconi_no_solitary_states": _ours(
        FEATURES.without("solitary_state", "solitary_drain")
    ),
    "dirac_bianconi_published_features": _ours(FeatureSet(), clip=0.0),
}
"""Models of this package: of 16 steps a layer with the features ``local``, and with one thing or
two changed."""

DEFAULT_ROW = "dirac_bianconi_parametric_nodes_8_steps"
"""The one of them that is trained where no model is named."""

# The other published results do not say which network they are of.
_PUBLISHED_AS = {
    "ar_bench": "Ar-bench",
    "tag_7x25x4": "TAG 7x25x4",
    "tag_9x10x4": "TAG 9x10x4",
    "gradient_boosting/network_measures": "gradient boosting",
    "linear_interactions/network_measures": "linear regression with interactions",
}

BASELINE_FEATURES: dict[str, FeatureSet] = {
    "published_measures": FEATURE_SETS["published_measures"],
    "operating_point": FeatureSet(node=FEATURE_SETS["operating_point"].node, edge=()),
    "solitary": FeatureSet(node=FEATURE_SETS["solitary"].node, edge=()),
    "network_measures": FEATURE_SETS["network_measures"],
}
"""What baselines see; they are tried on each."""


def _all_rows() -> list[Row]:
    rows = [Row("mean", "baselines", NodeBaseline("mean", FeatureSet(edge=())))]
    for baseline in (name for name in BASELINES if name != "mean"):
        for features_name, features in BASELINE_FEATURES.items():
            name = f"{baseline}/{features_name}"
            seen = NodeBaseline(baseline, features)
            rows.append(Row(name, "baselines", seen, _PUBLISHED_AS.get(name)))
    rows += [Row(name, "ours", network) for name, network in _distinct(OURS).items()]
    for name, model in PUBLISHED_MODELS.items():
        network = Network(model.specification, model.settings, model.features)
        rows.append(Row(name, "published", network, _PUBLISHED_AS.get(name)))
    return rows


def _distinct(networks: dict[str, Network]) -> dict[str, Network]:
    """The first of each: a change that changes nothing is no row of its own."""
    kept: dict[str, Network] = {}
    for name, network in networks.items():
        if network not in kept.values():
            kept[name] = network
    return kept


MIXTURES: dict[str, tuple[str, ...]] = {
    " and ".join(rows): rows
    for rows in (
        ("dirac_bianconi", "dirac_bianconi_sum"),
        ("dirac_bianconi", "dirac_bianconi_global_features"),
        ("dirac_bianconi", "dirac_bianconi_sum_global_features"),
    )
}
"""Ensembles of several rows' models: those that see different things err differently."""

ROWS: dict[str, Row] = {row.name: row for row in _all_rows()}
"""All rows by name."""

GROUPS = ("ours", "published", "baselines")
"""Names that stand for several rows."""


def choose_rows(names: str) -> list[Row]:
    """The rows of a list of names and groups, separated by commas.

    Raises:
        InvalidParameterError: A name that no row and no group has.
    """
    chosen: dict[str, Row] = {}
    for name in filter(None, (part.strip() for part in names.split(","))):
        found = [row for row in ROWS.values() if name in (row.name, row.group, "all")]
        if not found:
            raise InvalidParameterError(
                f"there is no row {name!r}; choose from all, {', '.join(GROUPS)}, {', '.join(ROWS)}"
            )
        chosen |= {row.name: row for row in found}
    return list(chosen.values())

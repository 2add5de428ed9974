"""Where modules and names of graphwsl were in version 0.1, see :mod:`gnncore.moved`."""

MODULES = {
    "graphwsl.work_folder": "gnncore.storage.work_folder",
    "graphwsl.properties.population": "graphwsl.populations.population",
    "graphwsl.properties.splits": "graphwsl.populations.splits",
    "graphwsl.properties.targets": "graphwsl.populations.targets",
    "graphwsl.properties.weight_statistics": "graphwsl.populations.layer_statistics",
    "graphwsl.properties.files": "graphwsl.populations.loading",
    "graphwsl.properties.metanetwork.plan": "graphwsl.populations.dense_layout",
    "graphwsl.zoo.population": "graphwsl.zoo.training.batched_networks",
    "graphwsl.zoo.chunk": "graphwsl.zoo.training.chunk",
    "graphwsl.zoo.evaluation": "graphwsl.zoo.training.evaluation",
    "graphwsl.zoo.optimisers": "graphwsl.zoo.training.optimisers",
    "graphwsl.zoo.initialisation": "graphwsl.zoo.training.initialisation",
    "graphwsl.zoo.streams": "graphwsl.zoo.training.streams",
    "graphwsl.zoo.memory": "graphwsl.zoo.training.memory",
    "graphwsl.zoo.worker": "graphwsl.zoo.training.worker",
    "graphwsl.zoo.plan": "graphwsl.zoo.training.chunks",
    "graphwsl.zoo.networks": "graphwsl.zoo.architectures.layered",
    "graphwsl.zoo.small_vision_transformer": "graphwsl.zoo.architectures.vit",
    "graphwsl.zoo.residual_network": "graphwsl.zoo.architectures.resnet",
    "graphwsl.zoo.grid": "graphwsl.zoo.sweep",
    "graphwsl.zoo.folder": "graphwsl.zoo.layouts.native",
    "graphwsl.zoo.foreign": "graphwsl.zoo.layouts",
    "graphwsl.zoo.foreign.factors": "graphwsl.zoo.layouts.factors",
    "graphwsl.zoo.foreign.foreign_zoo": "graphwsl.zoo.layouts.foreign_zoo",
    "graphwsl.zoo.foreign.keras_columns": "graphwsl.zoo.layouts.keras_columns",
    "graphwsl.zoo.foreign.ray_tune": "graphwsl.zoo.layouts.ray_tune",
    "graphwsl.zoo.foreign.small_cnn": "graphwsl.zoo.layouts.small_cnn",
}

NAMES = {
    "graphwsl.populations.dense_layout": {"Plan": "DenseLayout"},
    "graphwsl.populations.layer_statistics": {"WeightStatistics": "LayerStatistics"},
    "graphwsl.zoo.sweep": {"Row": "NetworkConfig"},
    "graphwsl.zoo.training.batched_networks": {
        "LayeredPopulation": "LayeredNetworks",
        "MappedPopulation": "MappedNetworks",
        "Population": "BatchedNetworks",
    },
}

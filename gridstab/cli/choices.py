"""Names that shells complete; written out, for the registries that hold them import too much."""

SETTINGS = ("homogeneous", "case")
ENGINES = (
    "auto",
    "native",
    "native64",
    "dop853",
    "tsit5",
    "cuda",
    "julia",
    "julia-tsit5",
    "julia-dop853",
)
STOP_RULES = ("fast", "certified", "published", "horizon")
SAMPLERS = ("mc", "sobol")
EXECUTORS = ("local", "ray")
LAYOUTS = ("v0", "v1", "v2")
MODELS = (
    "default",
    "gcnnet01",
    "gcnnet02",
    "gcnnet03",
    "armanet01",
    "armanet02",
    "sgnet01",
    "sgnet02",
    "tagnet01",
    "ar_bench",
    "armanet3",
    "gcnnet",
    "sagenet",
    "tagnet13",
    "transformernet",
    "small_tag",
    "tag_7x25x4",
    "tag_9x10x4",
    "dbgnn",
)
TASKS = ("snbs", "survivability", "troublemaker", "max_frequency_deviation", "landscape")
FEATURES = (
    "published",
    "operating_point",
    "solitary",
    "local",
    "local_nodes",
    "parametric",
    "trapping_nodes",
    "parametric_nodes",
    "published_measures",
    "network_measures",
)
TRAINING_SETS = ("ds20", "ds100", "ds20-large", "ds100-large")
SPLITS = ("train", "valid", "test", "all")
DEVICES = ("auto", "cpu", "cuda")

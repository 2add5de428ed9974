"""Names that shells complete; written out, for the registries that hold them import too much."""

RECIPES = (
    "cluttered_hyperparameters",
    "cluttered_resnet",
    "cluttered_seed",
    "cnn_l",
    "digits_adapters",
    "digits_epochs",
    "digits_hyperparameters",
    "digits_late",
    "digits_mixed",
    "digits_resnet",
    "digits_rotated",
    "digits_seed",
    "digits_sizes",
    "digits_width",
    "mixed",
    "mnist_epochs",
    "mnist_hyperparameters",
    "mnist_perceptron",
    "mnist_seed",
    "perceptron_depths",
    "perceptron_widths",
    "phases_gpt",
    "phases_mlp",
    "phases_pinn",
    "phases_resnet",
    "phases_vit",
    "unterthiner",
    "vit",
    "vit_two_stage",
)
DATA = tuple(
    f"{name}{variant}"
    for name in ("digits", "mnist_5000", "cluttered_digits")
    for variant in ("", "_inverted", "_rotated", "_halved", "_even", "_odd")
)
TARGETS = (
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "generalisation_gap",
    "epoch",
)
PREDICTORS = (
    "forward_propagation",
    "message_passing",
    "relational_transformer",
    "dirac_bianconi",
    "deep_sets",
    "nfn",
    "probing",
    "weight_statistics_boosting",
    "weight_statistics_ridge",
    "flat_mlp",
    "flat_ridge",
    "stacked",
)
BASELINES = (
    "small_noise",
    "large_noise",
    "interpolation",
    "average",
    "gaussian",
    "density",
    "retrieval",
)
GENERATORS = ("equivariant_flow", "aligned_flow", "recurrent_diffusion", "prompt_to_lora")
REPRESENTATIONS = (
    "hyper_representation",
    "sane",
    "multi_zoo",
    "behavioural",
    "hub",
    "graph_autoencoder",
)
QUESTIONS = ("temperature", "width", "data")
METRICS = ("hessian", "similarity", "curves", "lines", "averages")
DEVICES = ("auto", "cpu", "cuda")

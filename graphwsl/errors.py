"""What can go wrong with weights, each with a message of one line that says what to do.

The command line prints any :class:`GraphwslError` in one line and exits with code 2.
"""


class GraphwslError(ValueError):
    """Base of every error that a user's input can cause."""


class InvalidArgumentError(GraphwslError):
    """An argument of another type or range than the function takes."""


class UnsupportedModelError(GraphwslError):
    """A network that cannot be traced, or an operator that nothing is known of."""


class StateMismatchError(GraphwslError):
    """Weights that do not belong to the architecture: names or shapes differ."""


class ImportedModelError(GraphwslError):
    """A file of a network that is damaged, unsafe, or uses what cannot be imported."""


class ZooError(GraphwslError):
    """A model zoo that is missing, damaged, of an unknown layout, or of other settings."""


class PredictorError(GraphwslError):
    """A predictor that does not exist, or does not fit the zoo that it was given."""


class GeneratorError(GraphwslError):
    """Networks that cannot be scored together, or that nothing can be sampled from."""


class DiagnosisError(GraphwslError):
    """Metrics that are missing or no numbers, or networks that nothing can be learnt from."""


class RepresentationError(GraphwslError):
    """A representation that does not exist, or does not fit the networks that it was given."""


class TrajectoryError(GraphwslError):
    """Checkpoints that no history can be told of: too few, not finite, or unlike one another."""


class LandscapeError(GraphwslError):
    """Networks whose losses cannot be measured, or compared, as was asked."""


class VerificationError(GraphwslError):
    """A network whose outputs cannot be compared: it has none, or draws them at random."""

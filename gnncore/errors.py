"""What can go wrong in the core, each with a message of one line that says what to do."""


class GnncoreError(ValueError):
    """Base of the errors that a user of the core can cause and mend."""


class SpecificationError(GnncoreError):
    """A layer, model or training setting that does not exist or does not fit the others."""


class TrainingError(GnncoreError):
    """A training that cannot start or go on: no data, labels or losses that are not finite."""


class CheckpointError(GnncoreError):
    """A checkpoint, the state of a training, that is damaged, foreign, or of another training."""


class SavedModelError(CheckpointError):
    """A model on disk that is damaged, foreign, or another than what was asked for.

    It was raised as a :class:`CheckpointError`, from which it derives for one version more.
    """


class ExecutorUnavailableError(GnncoreError):
    """What work was to run on is not there: its package, or a cluster that answers."""

"""The errors that users meet; each says what was given and what to do about it.

The command line prints any :class:`GridstabError` in one line and exits with code 2.
"""


class GridstabError(Exception):
    """Base of every error that a user's input or machine can cause."""


class InvalidParameterError(GridstabError, ValueError):
    """A parameter is outside its range (a negative count, a NaN, an unknown name)."""


class InvalidGridError(GridstabError, ValueError):
    """Arrays do not form a power grid (self-loop, unknown node, wrong length, NaN)."""


class DisconnectedGridError(InvalidGridError):
    """The grid falls into several components, so it has no common frequency."""


class UnbalancedPowerError(InvalidGridError):
    """Generation and consumption do not sum to zero, so the grid would drift."""


class OperatingPointError(GridstabError):
    """The grid has no usable operating point."""


class NoOperatingPointError(OperatingPointError):
    """The power flow equations have no solution that Newton's method reaches."""


class UnstableOperatingPointError(OperatingPointError):
    """The power flow has a solution, but small disturbances grow around it."""


class CaseError(GridstabError):
    """A case or grid file is unknown, unreadable or malformed."""


class EngineUnavailableError(GridstabError):
    """The requested simulation engine is unknown or cannot run on this machine."""


class EngineFailedError(GridstabError, RuntimeError):
    """An engine broke down during a simulation; other simulations are not affected."""


class RunFolderError(GridstabError):
    """A run folder is foreign, damaged, or holds another configuration."""


class DatasetError(GridstabError):
    """Labelled grids cannot be learnt from: no labels, NaN, a missing split, a bad feature."""


class BeyondTrainingWarning(UserWarning):
    """Predictions for grids that are beyond what the model was trained on."""


class UnfinishedWarning(UserWarning):
    """Labels are read of a run of which some are still missing."""


class LeftOutWarning(UserWarning):
    """Something of a case that the swing equation has no place for is left out of its grid."""


class MissingExtraError(GridstabError):
    """What was asked for needs an optional package that is not installed."""

"""What can go wrong, as a small tree: catch `GRU4RecError` to catch all of it."""


class GRU4RecError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(GRU4RecError, ValueError):
    """An option is unknown, of the wrong type or impossible; the message lists all mistakes."""


class DataError(GRU4RecError, ValueError):
    """A log, a data frame or a split cannot be used as it is."""


class MissingLogError(DataError):
    """No raw log is where it is expected."""


class MissingExtraError(GRU4RecError, ImportError):
    """Packages of an optional extra are not installed."""


class ModelFileError(GRU4RecError):
    """A model file is missing, damaged, of another version, or not a model of ours."""


class NotFittedError(GRU4RecError):
    """The model has no weights yet: fit it or load it first."""


class TrainingDivergedError(GRU4RecError):
    """The loss or a weight is no longer a finite number."""


class DatabricksError(GRU4RecError):
    """No way to reach Databricks, or the table cannot be read."""

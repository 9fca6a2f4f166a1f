"""Every error the library raises on purpose.

RlhfError
├── ConfigError        a config has an unknown key or a value out of range
├── DataError          a line, ranking or file cannot be used; says which and why
├── PromptTooLong      a text does not fit the model's limit; nothing is ever cut in silence
├── ModelError         a model cannot be found, loaded or used this way
│   └── BackendError   a decoding library is missing, or cannot write what was asked for with this model
├── CheckpointError    a checkpoint cannot be written; the last good one stays
└── Cancelled          the reporter asked the training to stop
"""


class RlhfError(Exception):
    """Base of all errors raised here."""


class ConfigError(RlhfError):
    """A config has an unknown key or a value out of range."""


class DataError(RlhfError):
    """A line, ranking or file cannot be used."""


class PromptTooLong(RlhfError):  # noqa: N818 - says what is wrong already
    """A text does not fit the model's limit."""


class ModelError(RlhfError):
    """A model cannot be found, loaded or used this way."""


class BackendError(ModelError):
    """A decoding library is missing, or cannot write what was asked for with this model."""


class CheckpointError(RlhfError):
    """A checkpoint cannot be written."""


class Cancelled(RlhfError):  # noqa: N818 - nobody made a mistake
    """Whoever started the training asked it to stop."""

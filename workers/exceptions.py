# ruff: noqa: N818 -- the names say what happened; all but RunReplaced are KedgeErrors
"""Every error that workers raises on purpose; the doors translate annotation's branches.

KedgeError
├── InvalidInput (400)
│   └── ConfigInvalid    a config or an input cannot be used; nothing was started
├── NotFound (404)
│   └── ModelMissing     no such model version in this project
└── Conflict (409)
    ├── StaleTransition  the row is no longer in the state the move starts from (annotation's)
    ├── GateClosed       a round's gate says no; says the figures and what to do
    ├── RoundRunning     the project has a round that has not ended
    └── NotReady         something that is needed first does not exist: prompts, rankings, an anchor
RunFailed                a run that was executed in this process failed
RunReplaced              this process was replaced: another attempt owns the run, stop at once
"""

from annotation.exceptions import Conflict, InvalidInput, KedgeError, NotFound, StaleTransition

__all__ = [
    "ConfigInvalid",
    "Conflict",
    "GateClosed",
    "KedgeError",
    "ModelMissing",
    "NotReady",
    "RoundRunning",
    "RunFailed",
    "RunReplaced",
    "StaleTransition",
]


class ConfigInvalid(InvalidInput):
    code = "config_invalid"


class ModelMissing(NotFound):
    code = "model_missing"


class GateClosed(Conflict):
    code = "gate_closed"


class RoundRunning(Conflict):
    code = "round_running"


class NotReady(Conflict):
    code = "not_ready"


class RunFailed(Exception):
    """The run's error, for a caller that executes runs in its own process."""


class RunReplaced(BaseException):
    """Not an Exception, so that no handler of a training takes it for a failure of its own."""

# ruff: noqa: N818 -- the names say what happened; all are KedgeErrors
"""What can go wrong, as a tree. The doors (API, pages, commands) translate its branches.

KedgeError
├── InvalidInput          what was sent cannot be used (400); ``fields`` says where
│   ├── InvalidRanking
│   └── ImportRefused     the file as a whole; single bad lines are reported, not raised
├── Forbidden             visible, but this person may not (403)
├── NotFound              not there, or not visible to this person (404)
└── Conflict              right in itself, but too late or already done (409)
    ├── StaleTransition   a state was changed by somebody else in between
    ├── AlreadySubmitted
    ├── LeaseLost         the lease ran out and somebody else took the place
    └── IdempotencyConflict
"""

from collections.abc import Mapping, Sequence


class KedgeError(Exception):
    """The root. ``detail`` is shown to people: it says what was seen and what to do."""

    code = "error"

    def __init__(self, detail: str, *, fields: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields: dict[str, list[str]] = {name: list(messages) for name, messages in (fields or {}).items()}


class InvalidInput(KedgeError):
    code = "invalid"


class InvalidRanking(InvalidInput):
    code = "invalid_ranking"


class ImportRefused(InvalidInput):
    code = "import_refused"


class Forbidden(KedgeError):
    code = "permission_denied"


class NotFound(KedgeError):
    code = "not_found"


class Conflict(KedgeError):
    code = "conflict"


class StaleTransition(Conflict):
    code = "stale"


class AlreadySubmitted(Conflict):
    code = "already_submitted"


class LeaseLost(Conflict):
    code = "lease_lost"


class IdempotencyConflict(Conflict):
    code = "idempotency_conflict"

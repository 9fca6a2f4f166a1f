"""Tokens as knox keeps them, without its sweep over a person's other tokens in every request."""

from django.utils import timezone
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox.auth import TokenAuthentication
from knox.models import AuthToken


class KedgeTokenAuthentication(TokenAuthentication):  # type: ignore[misc]  # knox has no types
    """A token that has expired is refused; it stays in its owner's list until they take it out."""

    def _cleanup_token(self, auth_token: AuthToken) -> bool:
        return auth_token.expiry is not None and auth_token.expiry < timezone.now()


class KedgeTokenScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]  # registered by being defined
    """The same in the schema."""

    target_class = KedgeTokenAuthentication  # type: ignore[assignment]  # a class will do as well as its name

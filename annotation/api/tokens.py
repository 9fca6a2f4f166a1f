"""Tokens as knox keeps them, asked for by one statement: every request of a program begins with it."""

from django.db.models import CharField
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.models import AuthToken
from knox.settings import CONSTANTS
from rest_framework.exceptions import AuthenticationFailed

from annotation.prepared import Select, Slot
from annotation.users import User

START = CONSTANTS.TOKEN_KEY_LENGTH
TOKENS = Select(
    lambda: AuthToken.objects.filter(token_key=Slot("start", CharField(max_length=START))).select_related("user")
)


class KedgeTokenAuthentication(TokenAuthentication):  # type: ignore[misc]  # knox has no types
    """A token that has expired is refused; it stays in its owner's list until they take it out."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, AuthToken]:
        """The token's owner and its row, or AuthenticationFailed, which does not say what was wrong with it."""
        # What no token of ours looks like is not asked for: a database would refuse some of it.
        name = token.decode("ascii") if token.isalnum() else ""
        for found in TOKENS(start=name[:START]):
            if constant_time_compare(hash_token(name), found.digest) and not _over(found):
                user: User
                user, _ = self.validate_user(found)
                return user, found
        raise AuthenticationFailed("Invalid token.")


def _over(token: AuthToken) -> bool:
    return token.expiry is not None and token.expiry < timezone.now()


class KedgeTokenScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]  # registered by being defined
    """The same in the schema."""

    target_class = KedgeTokenAuthentication  # type: ignore[assignment]  # a class will do as well as its name

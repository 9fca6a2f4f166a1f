"""The user: Django's own, under a name that can grow."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person or a simulated annotator."""

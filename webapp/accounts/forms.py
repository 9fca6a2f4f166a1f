from django import forms
from django.contrib.auth import get_user_model

from annotation.models import Role
from webapp.accounts.models import User


class InvitationForm(forms.ModelForm[User]):
    """Whom to invite, and as what."""

    role = forms.ChoiceField(choices=Role.choices, initial=Role.ANNOTATOR)

    class Meta:
        model = get_user_model()
        fields = ["username", "email"]
        help_texts = {"username": "Letters, digits and @/./+/-/_ only.", "email": "Optional: the link is sent there."}

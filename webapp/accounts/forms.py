from django import forms
from django.contrib.auth import get_user_model

from annotation.models import Role


class InvitationForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Whom to invite, and as what."""

    role = forms.ChoiceField(choices=Role.choices, initial=Role.ANNOTATOR)

    class Meta:
        model = get_user_model()
        fields = ["username", "email"]
        help_texts = {"username": "Letters, digits and @/./+/-/_ only.", "email": "Optional: the link is sent there."}

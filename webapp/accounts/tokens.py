"""The page of a person's own API tokens. knox keeps only a hash: a token is shown once."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from django.views.generic import TemplateView
from knox.models import AuthToken


@method_decorator(never_cache, name="dispatch")
class TokenList(LoginRequiredMixin, TemplateView):
    template_name = "accounts/tokens.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        tokens = AuthToken.objects.filter(user=self.request.user).order_by("-created")
        return super().get_context_data(tokens=tokens, **kwargs)

    def post(self, request: HttpRequest) -> HttpResponse:
        _, secret = AuthToken.objects.create(user=request.user)
        return self.render_to_response(self.get_context_data(secret=secret))


@require_POST
@login_required
def revoke(request: HttpRequest, digest: str) -> HttpResponse:
    """Another person's token is as good as none: 404."""
    get_object_or_404(AuthToken, user=request.user, digest=digest).delete()
    messages.success(request, "The token is revoked: it opens nothing any more.")
    return redirect("tokens")

"""Log in, passwords, invitations and API tokens. Mounted at ``accounts/``."""

from django.urls import path

from webapp.accounts import invitations, tokens, views

urlpatterns = [
    path("start/", views.landing, name="landing"),
    path("login/", views.LogIn.as_view(), name="login"),
    path("logout/", views.LogOut.as_view(), name="logout"),
    path("password/", views.PasswordChange.as_view(), name="password_change"),
    path("reset/", views.PasswordReset.as_view(), name="password_reset"),
    path("reset/sent/", views.PasswordResetSent.as_view(), name="password_reset_done"),
    path("reset/<uidb64>/<token>/", views.PasswordResetConfirm.as_view(), name="password_reset_confirm"),
    path("tokens/", tokens.TokenList.as_view(), name="tokens"),
    path("tokens/<str:digest>/revoke/", tokens.revoke, name="token_revoke"),
    path("projects/<slug:slug>/invite/", invitations.Invite.as_view(), name="invite"),
    path("invitation/<uidb64>/<token>/", invitations.Accept.as_view(), name="invitation"),
]

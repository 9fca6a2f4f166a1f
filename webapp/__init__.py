"""The composition of the product: settings, addresses, accounts, pages, Celery."""

from webapp.celery import app as celery_app

__all__ = ["celery_app"]

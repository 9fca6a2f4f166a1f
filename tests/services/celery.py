"""The product's Celery application, with housekeeping every two seconds instead of fifteen."""

from webapp.celery import app

app.conf.beat_schedule = {name: entry | {"schedule": 2.0} for name, entry in app.conf.beat_schedule.items()}

"""Housekeeping of the answers that are remembered for writes that are sent again."""

from datetime import timedelta

from django.utils import timezone

from annotation.models import IdempotentRequest

KEPT = timedelta(days=7)
AT_ONCE = 2000


def answers_forget(*, limit: int = AT_ONCE) -> int:
    """Delete answers that are older than KEPT, the oldest first; how many.

    By id, which is their order in time: a look at the few oldest rows, however many there are.
    """
    oldest = IdempotentRequest.objects.order_by("id").values_list("id", "created_at")[:limit]
    old = timezone.now() - KEPT
    deleted, _ = IdempotentRequest.objects.filter(pk__in=[pk for pk, at in oldest if at < old]).delete()
    return deleted

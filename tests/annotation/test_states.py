"""The mover: one conditional UPDATE and its history, or nothing."""

import pytest

from annotation.exceptions import StaleTransition
from annotation.models import AssignmentEvent, AssignmentState
from annotation.states import MOVES, assignment_move
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db


def test_a_move_writes_its_history():
    assignment = AssignmentFactory()
    assignment_move(assignment=assignment, old=AssignmentState.LEASED, new=AssignmentState.SKIPPED, skip_reason="other")
    assignment.refresh_from_db()
    assert (assignment.state, assignment.skip_reason) == ("skipped", "other")
    assert list(AssignmentEvent.objects.values_list("old", "new")) == [("leased", "skipped")]


def test_a_move_from_another_state_changes_nothing():
    assignment = AssignmentFactory(state=AssignmentState.SUBMITTED)
    with pytest.raises(StaleTransition):
        assignment_move(assignment=assignment, old=AssignmentState.LEASED, new=AssignmentState.EXPIRED)
    assignment.refresh_from_db()
    assert assignment.state == AssignmentState.SUBMITTED
    assert not AssignmentEvent.objects.exists()


@pytest.mark.parametrize(
    ("old", "new"), [(old, new) for old in AssignmentState for new in AssignmentState if new not in MOVES[old]]
)
def test_a_move_that_is_not_in_the_table_is_refused(old, new):
    assignment = AssignmentFactory(state=old)
    with pytest.raises(StaleTransition):
        assignment_move(assignment=assignment, old=old, new=new)

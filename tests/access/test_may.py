"""The one function that says who may do what: every pair of action and kind, and that lists and single answers follow one rule."""

from itertools import product

import pytest

from herder.model.ids import UserName
from herder.model.permissions import LEAST, Action, Kind, Principal, Role, Thing, Verdict, may, scope_of

ANN = UserName("ann")
ALPHA = {"alpha": Role.USER}
WATCHED = {"alpha": Role.VIEWER}


def who(role: Role, projects: dict[str, Role] | None = None, user: UserName = ANN) -> Principal:
    return Principal(user, role, projects or {})


@pytest.mark.parametrize(("action", "kind"), list(product(Action, Kind)))
def test_nobody_may_what_the_table_does_not_name_and_nobody_below_its_role(
    action: Action, kind: Kind
) -> None:
    least = LEAST.get((action, kind))
    for role in Role:
        verdict = may(who(role), action, Thing(kind=kind))
        allowed = least is not None and role >= least
        assert (verdict is Verdict.ALLOWED) == allowed
        assert verdict is not Verdict.UNKNOWN, "of a kind everybody knows"


@pytest.mark.parametrize(("action", "kind"), list(product(Action, Kind)))
def test_a_higher_role_may_all_that_a_lower_one_may(action: Action, kind: Kind) -> None:
    for owner, project, projects in product(("ann", "bob", None), ("alpha", "default"), ({}, ALPHA, WATCHED)):
        thing = Thing(kind=kind, owner=owner, project=project, members_only=True)
        verdicts = [may(who(role, projects), action, thing) is Verdict.ALLOWED for role in Role]
        assert verdicts == sorted(verdicts)


@pytest.mark.parametrize("kind", [Kind.JOB, Kind.BATCH, Kind.EVENT])
def test_the_filter_of_lists_is_the_rule_of_single_answers(kind: Kind) -> None:
    for role, owner, project, projects in product(
        Role, ("ann", "bob"), ("alpha", "default"), ({}, ALPHA, WATCHED)
    ):
        asks = who(role, projects)
        scope = scope_of(asks, kind)
        listed = scope is None or scope.covers(owner, project)
        thing = Thing(kind=kind, owner=owner, project=project)
        assert listed == (may(asks, Action.SEE, thing) is Verdict.ALLOWED)


@pytest.mark.parametrize("kind", [Kind.JOB, Kind.BATCH])
def test_what_one_may_not_see_is_unknown_and_what_one_sees_but_may_not_change_is_refused(kind: Kind) -> None:
    theirs = Thing(kind=kind, owner="bob", project="alpha")
    assert may(who(Role.USER), Action.CHANGE, theirs) is Verdict.UNKNOWN
    assert may(who(Role.USER, WATCHED), Action.CHANGE, theirs) is Verdict.REFUSED
    assert may(who(Role.USER, ALPHA), Action.CHANGE, theirs) is Verdict.ALLOWED
    assert may(who(Role.VIEWER, ALPHA), Action.CHANGE, theirs) is Verdict.REFUSED, "membership never widens"
    assert may(who(Role.VIEWER, ALPHA), Action.SEE, theirs) is Verdict.ALLOWED
    assert may(who(Role.OPERATOR), Action.CHANGE, theirs) is Verdict.ALLOWED


def test_a_narrow_token_does_not_take_away_a_wider_one_and_learns_nothing_of_others() -> None:
    wide = Thing(kind=Kind.TOKEN, owner="ann", least=Role.OPERATOR)
    assert may(who(Role.USER), Action.REMOVE, wide) is Verdict.REFUSED
    assert may(who(Role.OPERATOR), Action.REMOVE, wide) is Verdict.ALLOWED
    assert may(who(Role.OPERATOR, user=UserName("bob")), Action.REMOVE, wide) is Verdict.UNKNOWN

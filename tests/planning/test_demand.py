"""Demand from any source, and what it requires of labels by Kubernetes' rules for node affinity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.decide.eligibility.admission import refusal
from herder.decide.eligibility.affinity import fault, holds, text
from herder.decide.eligibility.matching import Kinds, kind_of_template, may_use_kind
from herder.decide.plan.planner import decide
from herder.model.fleet.membership import LivesBy, Membership
from herder.model.fleet.pool import Taint, Toleration
from herder.model.ids import ClassId, UserName
from herder.model.planning.plan import CreateWorker
from herder.model.values.resources import Resources
from herder.model.work.demand import Affinity, DemandSource, Expression, Operator, Shape, ShapeGroup, Term
from herder.model.work.job import JobClass
from herder.store.rows.json_forms import decode_class, encode_class
from herder.store.writing.flight_recorder import Recorder, play
from tests.planning.world import NOW, cores, observed, pool, queued, template

KEYS = st.sampled_from(["zone", "gpus", "disk"])
VALUES = st.sampled_from(["a", "b", "3", "-7", "12", "", "1e3", "٣", "99999999999999999999"])
LABELS = st.dictionaries(KEYS, VALUES)
EXPRESSIONS = st.builds(
    Expression, key=KEYS, operator=st.sampled_from(Operator), values=st.lists(VALUES, max_size=3).map(tuple)
)


def as_documented(expression: Expression, labels: dict[str, str]) -> bool:
    """Kubernetes' labels.Requirement, written down a second time."""
    there, value = expression.key in labels, labels.get(expression.key, "")
    match expression.operator:
        case Operator.IN:
            return there and value in expression.values
        case Operator.NOT_IN:
            return not there or value not in expression.values
        case Operator.EXISTS:
            return there
        case Operator.DOES_NOT_EXIST:
            return not there
    numbers = {"3": 3, "-7": -7, "12": 12}
    if (
        not there
        or value not in numbers
        or len(expression.values) != 1
        or expression.values[0] not in numbers
    ):
        return False
    if expression.operator is Operator.GT:
        return numbers[value] > numbers[expression.values[0]]
    return numbers[value] < numbers[expression.values[0]]


@given(EXPRESSIONS, LABELS)
def test_operators_mean_what_kubernetes_documents(expression: Expression, labels: dict[str, str]) -> None:
    assert holds(expression, labels) == as_documented(expression, labels)


@given(EXPRESSIONS, LABELS)
def test_an_operator_and_its_contrary_never_hold_together_and_one_always_does(
    expression: Expression, labels: dict[str, str]
) -> None:
    contrary = {
        Operator.IN: Operator.NOT_IN,
        Operator.NOT_IN: Operator.IN,
        Operator.EXISTS: Operator.DOES_NOT_EXIST,
        Operator.DOES_NOT_EXIST: Operator.EXISTS,
    }.get(expression.operator)
    if contrary is not None:
        other = Expression(key=expression.key, operator=contrary, values=expression.values)
        assert holds(expression, labels) != holds(other, labels)


def expression(key: str, operator: Operator, *values: str) -> Expression:
    return Expression(key=key, operator=operator, values=values)


def job(*terms: Term, **more: object) -> JobClass:
    return JobClass(user=UserName("ann"), request=cores(1), affinity=Affinity(required=terms), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("terms", "fits"),
    [
        ((), True),
        (((expression("zone", Operator.IN, "a"),),), True),
        (((expression("zone", Operator.IN, "b"),),), False),
        (((expression("zone", Operator.IN, "a"), expression("gpus", Operator.GT, "4")),), False),
        (((expression("zone", Operator.IN, "b"),), (expression("gpus", Operator.LT, "4"),)), True),
        (((),), False),
        (
            ((expression("nowhere", Operator.NOT_IN, "x"), expression("nowhere", Operator.DOES_NOT_EXIST)),),
            True,
        ),
    ],
)
def test_terms_are_alternatives_and_expressions_of_one_term_all_hold(
    terms: tuple[Term, ...], fits: bool
) -> None:
    spec = pool("std", template(labels=(("gpus", "2"), ("zone", "a"))))
    assert may_use_kind(job(*terms), kind_of_template(spec, spec.templates[0])) == fits
    assert (refusal(job(*terms), {spec.name: spec}) is None) == fits


def test_a_refusal_names_what_is_required() -> None:
    spec = pool("std", template(labels=(("zone", "a"),)))
    asked = job((expression("zone", Operator.IN, "b", "c"), expression("gpus", Operator.GT, "2")))
    refused = refusal(asked, {spec.name: spec})
    assert refused is not None
    assert "zone In (b, c) and gpus Gt 2" in refused.text


def test_classes_with_different_affinity_are_told_apart() -> None:
    spec = pool("std", template(labels=(("zone", "a"),)))
    kinds = Kinds()
    number = kinds.number(kind_of_template(spec, spec.templates[0]))
    assert kinds.allowed(job((expression("zone", Operator.IN, "a"),))) == {number}
    assert kinds.allowed(job((expression("zone", Operator.IN, "b"),))) == frozenset()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (expression("zone", Operator.IN), "In needs at least one value"),
        (expression("zone", Operator.EXISTS, "a"), "Exists takes no values"),
        (expression("zone", Operator.GT, "1", "2"), "Gt needs one whole number"),
        (expression("zone", Operator.LT, "1.5"), "Lt needs one whole number"),
        (expression("", Operator.EXISTS), "name is empty"),
    ],
)
def test_what_cannot_be_meant_is_said(wrong: Expression, said: str) -> None:
    found = fault(wrong)
    assert found is not None
    assert said in found


@given(EXPRESSIONS)
def test_every_expression_has_words(given_one: Expression) -> None:
    assert text(given_one).startswith(f"{given_one.key} {given_one.operator}")


def test_a_class_with_affinity_comes_back_from_the_store_and_one_without_as_it_was() -> None:
    asked = job((expression("zone", Operator.NOT_IN, "b"),))
    assert decode_class(encode_class(asked)) == asked
    before = '{"user":"ann","project":"default","pool":"auto","request":[1000,1024,0,0],"selector":[]}'
    assert decode_class(before) == JobClass(user=UserName("ann"), request=Resources(1000, 1024))


# --- another source than jobs -----------------------------------------------------------------------------------------


BOTH = Membership(name="both", takes_jobs=True, takes_pods=True, lives_by=LivesBy.NODE)


def pods(count: int, **more: object) -> ShapeGroup:
    shape = Shape(request=cores(4), user=UserName("kubernetes"), **more)  # type: ignore[arg-type]
    return ShapeGroup(
        class_id=ClassId(-1),
        count=count,
        oldest_ready_at_ms=NOW,
        source=DemandSource.PENDING_PODS,
        shape=shape,
    )


def created(*demand: object, **more: object) -> list[str]:
    spec = pool("std", template(size=16, labels=(("zone", "a"),)), membership=BOTH, **more)
    plan = decide(observed([spec], [], list(demand)), NOW)  # type: ignore[arg-type]
    return [action.spec.name for action in plan.actions if isinstance(action, CreateWorker)]


def test_pending_pods_get_workers_as_jobs_do_and_share_them() -> None:
    assert len(created(pods(8))) == 2
    assert len(created(queued(1, 2, cores(4)), pods(2))) == 1


def test_pods_that_require_what_no_template_has_get_none_and_the_plan_says_why() -> None:
    elsewhere = pods(8, affinity=Affinity(required=((expression("zone", Operator.IN, "b"),),)))
    assert created(elsewhere) == []
    spec = pool("std", template(labels=(("zone", "a"),)), membership=BOTH)
    plan = decide(observed([spec], [], [elsewhere]), NOW)
    (unplaced,) = plan.unplaced
    assert "zone In (b)" in unplaced.reason.text


def test_taints_keep_pods_out_until_they_tolerate_them() -> None:
    taints = (Taint(key="dedicated", value="ml"),)
    assert created(pods(4), taints=taints) == []
    assert created(pods(4, tolerations=(Toleration(key="dedicated"),)), taints=taints) != []


def test_an_observation_with_another_source_is_recorded_and_comes_back() -> None:
    seen = observed([pool()], [], [queued(1, 3), pods(2)])
    (played,) = play([Recorder().frame(seen, NOW)])
    assert played.observed == seen

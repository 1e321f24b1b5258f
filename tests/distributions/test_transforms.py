"""Transforms beside PyTorch's: values, inverses, Jacobians, shapes, texts."""

import copy
import pickle

import numpy as np
import pytest
import torch

import kuai
import kuai.distributions as D
from tests.distributions.cases import lower, positive, some

X = [[-1.0, 0.3, 2.0], [0.5, -0.2, 1.0]]
Y = [[0.2, 0.5, 0.9], [0.4, 0.1, 0.7]]
MATRIX = np.stack([lower(3), lower(3, 1)])
TRANSFORMS = {
    "AbsTransform": (lambda t: t.AbsTransform(), X),
    "AffineTransform": (lambda t: t.AffineTransform(1.0, -2.0), X),
    "AffineTransform-event": (lambda t: t.AffineTransform(1.0, 3.0, event_dim=1), X),
    "CatTransform": (
        lambda t: t.CatTransform([t.ExpTransform(), t.TanhTransform()], dim=-1, lengths=[1, 2]),
        X,
    ),
    "CatTransform-front": (
        lambda t: t.CatTransform([t.ExpTransform(), t.TanhTransform()], dim=0),
        X,
    ),
    "ComposeTransform": (
        lambda t: t.ComposeTransform([t.ExpTransform(), t.AffineTransform(1.0, 2.0)]),
        X,
    ),
    "ComposeTransform-vectors": (
        lambda t: t.ComposeTransform([t.AffineTransform(0.5, 2.0), t.StickBreakingTransform()]),
        X,
    ),
    "CorrCholeskyTransform": (lambda t: t.CorrCholeskyTransform(), X),
    "ExpTransform": (lambda t: t.ExpTransform(), X),
    "ExpTransform-inverse": (lambda t: t.ExpTransform().inv, Y),
    "IndependentTransform": (lambda t: t.IndependentTransform(t.ExpTransform(), 1), X),
    "LowerCholeskyTransform": (lambda t: t.LowerCholeskyTransform(), MATRIX),
    "PositiveDefiniteTransform": (lambda t: t.PositiveDefiniteTransform(), MATRIX),
    "PowerTransform": (lambda t: t.PowerTransform(2.0), Y),
    "ReshapeTransform": (lambda t: t.ReshapeTransform((3,), (3, 1)), X),
    "SigmoidTransform": (lambda t: t.SigmoidTransform(), X),
    "SoftmaxTransform": (lambda t: t.SoftmaxTransform(), X),
    "SoftplusTransform": (lambda t: t.SoftplusTransform(), X),
    "StackTransform": (
        lambda t: t.StackTransform([t.ExpTransform(), t.TanhTransform()], dim=0),
        X,
    ),
    "StickBreakingTransform": (lambda t: t.StickBreakingTransform(), X),
    "TanhTransform": (lambda t: t.TanhTransform(), X),
    "identity_transform": (lambda t: t.identity_transform, X),
}


def both(name):
    make, x = TRANSFORMS[name]
    modules = (kuai, torch)
    tensors = (t.tensor(np.asarray(x), dtype=t.float64, requires_grad=True) for t in modules)
    return [(t, make(t.distributions), x) for t, x in zip(modules, tensors, strict=True)]


def same(ours, theirs):
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("name", TRANSFORMS)
def test_as_pytorchs(name):
    (_, ours, x), (_, theirs, other_x) = both(name)
    assert repr(ours) == repr(theirs)
    y, other_y = ours(x), theirs(other_x)
    same(y, other_y)
    same(ours.inv(y), theirs.inv(other_y))
    assert ours.bijective == theirs.bijective
    for side in ("domain", "codomain"):
        assert repr(getattr(ours, side)) == repr(getattr(theirs, side))
        assert getattr(ours, side).event_dim == getattr(theirs, side).event_dim
    assert tuple(ours.forward_shape(x.shape)) == tuple(theirs.forward_shape(other_x.shape))
    assert tuple(ours.inverse_shape(y.shape)) == tuple(theirs.inverse_shape(other_y.shape))
    try:
        known = theirs.log_abs_det_jacobian(other_x, other_y)
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            ours.log_abs_det_jacobian(x, y)
        return
    found = ours.log_abs_det_jacobian(x, y)
    same(found, known)
    if known.requires_grad:
        (gradient,) = kuai.autograd.grad(found.sum(), [x])
        (wanted,) = torch.autograd.grad(known.sum(), [other_x])
        same(gradient, wanted)


@pytest.mark.parametrize("name", ["StickBreakingTransform", "TanhTransform", "SoftplusTransform"])
def test_the_jacobian_is_the_determinant(name):
    (_, ours, x), _ = both(name)
    vector = x.detach()[0]
    matrix = kuai.func.jacrev(ours)(vector)
    matrix = matrix[: vector.shape[0]]  # the last probability follows from the others
    found = ours.log_abs_det_jacobian(vector, ours(vector)).sum()
    np.testing.assert_allclose(float(found), float(kuai.linalg.slogdet(matrix).logabsdet))


def test_caches():
    transform = D.ExpTransform(cache_size=1)
    x = kuai.tensor([0.5])
    y = transform(x)
    assert transform.inv(y) is x
    assert transform(x) is y
    assert transform.inv.inv is transform
    assert D.ExpTransform().with_cache().with_cache(0)._cache_size == 0
    with pytest.raises(ValueError, match="cache_size must be 0 or 1"):
        D.ExpTransform(cache_size=2)


def test_equality():
    assert D.ExpTransform() == D.ExpTransform()
    assert D.ExpTransform() != D.TanhTransform()
    assert D.AffineTransform(0, 1) == D.AffineTransform(kuai.zeros(2), 1)
    assert D.AffineTransform(0, 1) != D.AffineTransform(0, 2)
    assert D.PowerTransform(2.0) == D.PowerTransform(2.0)
    assert D.ComposeTransform([D.ExpTransform()]) == D.ComposeTransform([D.ExpTransform()])
    assert D.ExpTransform().inv == D.ExpTransform().inv


def test_copies_and_pickles():
    transform = D.ComposeTransform([D.ExpTransform(cache_size=1), D.AffineTransform(1.0, 2.0)])
    transform(kuai.ones(2)), transform.inv
    for other in (copy.deepcopy(transform), pickle.loads(pickle.dumps(transform))):
        assert other == transform
        np.testing.assert_allclose(other.inv(kuai.tensor(3.0)).numpy(), 0)


ERRORS = {
    "sizes": lambda t: t.ReshapeTransform((3,), (2,)),
    "shape": lambda t: t.ReshapeTransform((3,), (3, 1)).forward_shape((4,)),
    "few": lambda t: t.StickBreakingTransform().forward_shape(()),
    "triangle": lambda t: t.CorrCholeskyTransform().forward_shape((5,)),
    "square": lambda t: t.CorrCholeskyTransform().inverse_shape((5, 4)),
    "lengths": lambda t: t.CatTransform([t.ExpTransform()], lengths=[1, 2]),
    "kinds": lambda t: t.StackTransform([3]),
    "list": lambda t: t.TransformedDistribution(t.Normal(0.0, 1.0), 3),
    "list of others": lambda t: t.TransformedDistribution(t.Normal(0.0, 1.0), [3]),
    "too small": lambda t: t.TransformedDistribution(
        t.Normal(0.0, 1.0), t.StickBreakingTransform()
    ),
    "cache": lambda t: t.Transform(cache_size=3),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    with pytest.raises(Exception) as theirs:
        ERRORS[name](torch.distributions)
    with pytest.raises(type(theirs.value)) as ours:
        ERRORS[name](D)
    assert str(ours.value) == str(theirs.value)


CONSTRAINTS = {
    "boolean": (lambda c: c.boolean, [0.0, 1, 0.5]),
    "cat": (lambda c: c.cat([c.positive, c.real], -1, [1, 2]), X),
    "corr_cholesky": (
        lambda c: c.corr_cholesky,
        [np.eye(3), [[1, 0, 0], [0.6, 0.8, 0], [1, 0, 1]]],
    ),
    "greater_than": (lambda c: c.greater_than(0.3), X),
    "greater_than_eq": (lambda c: c.greater_than_eq(0.3), X),
    "half_open_interval": (lambda c: c.half_open_interval(-1.0, 2.0), X),
    "independent": (lambda c: c.independent(c.positive, 1), X),
    "integer_interval": (lambda c: c.integer_interval(0, 2), [0.0, 1.5, 3, 2]),
    "interval": (lambda c: c.interval(-1.0, 1.0), X),
    "less_than": (lambda c: c.less_than(0.3), X),
    "lower_cholesky": (lambda c: c.lower_cholesky, MATRIX),
    "lower_triangular": (lambda c: c.lower_triangular, [np.eye(2), np.ones((2, 2))]),
    "mixture": (lambda c: c.MixtureSameFamilyConstraint(c.positive), X),
    "multinomial": (lambda c: c.multinomial(3), [[1.0, 2], [2, 2], [-1, 1]]),
    "nonnegative": (lambda c: c.nonnegative, X),
    "nonnegative_integer": (lambda c: c.nonnegative_integer, [0.0, 1.5, -1, 2]),
    "one_hot": (lambda c: c.one_hot, [[0.0, 1], [1, 1], [0.5, 0.5]]),
    "positive": (lambda c: c.positive, X),
    "positive_definite": (lambda c: c.positive_definite, [positive(2), -positive(2), np.eye(2)]),
    "positive_integer": (lambda c: c.positive_integer, [0.0, 1.5, 2]),
    "positive_semidefinite": (
        lambda c: c.positive_semidefinite,
        [positive(2), -positive(2), np.zeros((2, 2))],
    ),
    "real": (lambda c: c.real, [1.0, np.inf, np.nan]),
    "real_vector": (lambda c: c.real_vector, [[1.0, np.inf], [0, np.nan]]),
    "simplex": (lambda c: c.simplex, [[0.5, 0.5], [0.5, 0.6], [1.5, -0.5]]),
    "square": (lambda c: c.square, np.ones((2, 2, 3))),
    "stack": (lambda c: c.stack([c.positive, c.real], -2), X),
    "symmetric": (lambda c: c.symmetric, [np.eye(2), lower(2)]),
    "unit_interval": (lambda c: c.unit_interval, X),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints(name):
    make, value = CONSTRAINTS[name]
    ours, theirs = make(D.constraints), make(torch.distributions.constraints)
    assert repr(ours) == repr(theirs)
    assert (ours.event_dim, ours.is_discrete) == (theirs.event_dim, theirs.is_discrete)
    array = np.asarray(value, np.float64)
    found, known = ours.check(kuai.tensor(array)), theirs.check(torch.tensor(array))
    assert found.dtype is kuai.bool and found.tolist() == known.tolist()


REGISTERED = [
    "real",
    "real_vector",
    "positive",
    "nonnegative",
    "greater_than",
    "greater_than_eq",
    "less_than",
    "interval",
    "half_open_interval",
    "unit_interval",
    "simplex",
    "corr_cholesky",
    "lower_cholesky",
    "positive_definite",
    "positive_semidefinite",
    "cat",
    "stack",
    "independent",
    "boolean",
]


@pytest.mark.parametrize("name", some(REGISTERED, 2))
@pytest.mark.parametrize("kind", ["biject_to", "transform_to"])
def test_registry(kind, name):
    make, _ = CONSTRAINTS[name]
    registry, known = getattr(D, kind), getattr(torch.distributions, kind)
    constraint = make(D.constraints)
    try:
        theirs = known(make(torch.distributions.constraints))
    except NotImplementedError as error:
        with pytest.raises(NotImplementedError) as caught:
            registry(constraint)
        assert str(caught.value) == str(error)
        return
    ours = registry(constraint)
    assert repr(ours) == repr(theirs)
    x = MATRIX if constraint.event_dim == 2 and name != "corr_cholesky" else np.asarray(X)
    y = ours(kuai.tensor(x))
    assert bool(constraint.check(y).all())
    same(y, theirs(torch.tensor(x)))


def test_registering_a_constraint():
    class Above(type(D.constraints.positive)):
        pass

    D.biject_to.register(Above, lambda constraint: D.ExpTransform())
    assert D.biject_to(Above(1.0)) == D.ExpTransform()
    with pytest.raises(TypeError, match="Expected constraint to be either a Constraint subclass"):
        D.biject_to.register(int, lambda constraint: None)


def test_dependent_constraints():
    constraints = D.constraints
    assert constraints.is_dependent(constraints.dependent)
    assert constraints.is_dependent(D.Uniform.support)
    assert not constraints.is_dependent(D.Uniform(0.0, 1.0).support)
    assert D.Uniform.support.event_dim == 0
    with pytest.raises(NotImplementedError):
        constraints.dependent.event_dim  # noqa: B018 - it raises
    assert constraints.dependent(event_dim=1).event_dim == 1
    with pytest.raises(ValueError, match="Cannot determine validity of dependent constraint"):
        constraints.dependent.check(kuai.ones(1))

"""The Kullback-Leibler divergence, KL(p ‖ q) = E_p[log p(x) - log q(x)].

The formulas are in `kl_same` (both of one family) and `kl_cross` (of two).
"""

import warnings

__all__ = ["kl_divergence", "register_kl"]

_KL_REGISTRY = {}
_FOUND = {}  # what was found for classes without a formula of their own


def register_kl(type_p, type_q):
    """Decorate a function of two distributions that gives their divergence.

    Args:
        type_p: the class of the first distribution; subclasses are meant, too.
        type_q: the class of the second one.
    """
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(kind, type):  # a package's own kinds need not be ours
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {kind}")

    def decorate(function):
        _KL_REGISTRY[type_p, type_q] = function
        _FOUND.clear()
        return function

    return decorate


def _formula_for(type_p, type_q):
    """The formula of the nearest classes, or None.

    Where the nearest class on one side is not that of the nearest pair, nobody has said which of
    two formulas is meant: the first distribution decides, with a warning.
    """
    order_p, order_q = type_p.__mro__, type_q.__mro__
    places = [
        (order_p.index(p), order_q.index(q))
        for p, q in _KL_REGISTRY
        if p in order_p and q in order_q
    ]
    if not places:
        return None
    left, right = min(places), min(places, key=lambda place: place[::-1])
    found, other = (_KL_REGISTRY[order_p[i], order_q[j]] for i, j in (left, right))
    if found is not other:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). "
            f"Please register_kl({order_p[left[0]].__name__}, {order_q[right[1]].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return found


def kl_divergence(p, q):
    """The divergence of q from p, for each batch.

    Raises:
        NotImplementedError: there is no formula for these distributions; `register_kl` adds one.

    Example:
        >>> from kuai.distributions import Normal, kl_divergence
        >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 2.0))
        tensor(0.4431)
    """
    kinds = type(p), type(q)
    if kinds not in _FOUND:
        _FOUND[kinds] = _formula_for(*kinds)
    formula = _FOUND[kinds]
    if formula is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {p.__class__.__name__} "
            f"and q type {q.__class__.__name__}"
        )
    return formula(p, q)

"""Exponential families: what follows from natural parameters and the log normaliser alone.

p(x; θ) = exp(<t(x), θ> - F(θ) + k(x)). The mean of t is the gradient of F, so entropies and
divergences follow from F by differentiation (Nielsen, Nock, "Entropies and cross-entropies of
exponential families", 2010).
"""

from typing import Any

from kuai.distributions.distribution import Distribution
from kuai.distributions.utils import left_to_subclasses
from kuai.engine.autograd.backward import grad
from kuai.engine.tensor import Tensor

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """The base of distributions that are exponential families."""

    _natural_params = left_to_subclasses("The natural parameters θ, a tuple of tensors.")

    def _log_normalizer(self, *natural_params: Any, **unused: Any) -> Any:
        """F(θ)."""
        raise NotImplementedError

    _mean_carrier_measure = left_to_subclasses("The mean of k(x).")

    def _normalizer_and_means(self):
        """Natural parameters apart from their history, F there, and its gradient: the means of t.

        As in PyTorch, gradients with respect to the distribution's own parameters are not followed.
        """
        natural = [each.detach().requires_grad_() for each in self._natural_params]
        normalizer = self._log_normalizer(*natural)
        return natural, normalizer, grad(normalizer.sum(), natural, create_graph=True)

    def entropy(self) -> Tensor:
        """F(θ) - <θ, ∇F(θ)> less the mean of k, where no subclass has a formula of its own."""
        natural, result, means = self._normalizer_and_means()
        for parameter, mean in zip(natural, means, strict=True):
            product = (parameter * mean).reshape(*self._batch_shape, -1)
            result = result - product.sum(-1)
        return result - self._mean_carrier_measure

"""Gauss's rule on the unit interval, for integrals along a curve that have no closed form."""

import numpy as np

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
NODES = 0.5 * (1.0 + _NODES)
"""Where the integrand is taken, between 0 and 1."""
SHARES = 0.5 * _WEIGHTS
"""What each of them counts; together 1."""

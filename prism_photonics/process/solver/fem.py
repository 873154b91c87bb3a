"""Guided modes of a cross-section with a full permittivity tensor, by edge elements of second order.

A mode is (E_t + ẑ·i·e_z)·exp(i·β·l). Testing the curl–curl equation with the wave that runs the other way gives, with
n = β/k0 and lengths in units of 1/k0,

    ∫ (∇×E_t)(∇×F_t)/μ_l + (∇e_z − n·E_t)·M·(∇f_z − n·F_t) − F·ε·E  = 0,    M = diag(1/μ_y, 1/μ_x),

a quadratic eigenproblem (K0 + n·K1 + n²·K2)·x = 0: Hermitian for a lossless film, linear in n² only where the crystal
axes lie along the guide. It is solved by shift and invert on its companion form with one sparse LU of K0 + σK1 + σ²K2.
Every derivative of n (group index, thermo-optics, overlaps) is exact for the discrete problem: dn = −xᴴ·dK·x / xᴴ·(K1 +
2nK2)·x.

Source: the edge-element form is textbook (J. Jin, The Finite Element Method in Electromagnetics, ch. 8); elements and
assembly come from scikit-fem (T. Gustafsson, G. D. McBain, JOSS 5, 2369 (2020), 10.21105/joss.02369).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl
from jaxtyping import Complex, Float
from skfem import Basis, BilinearForm, ElementTriN2, ElementTriP2, MeshTri

Tensor = Complex[np.ndarray, "3 3 elements"] | Float[np.ndarray, "3 3 elements"]


@dataclass(frozen=True)
class Mode:
    """One solution: its index, its field's coefficients, and the pencil's derivative that normalises it."""

    n_eff: complex
    field: Complex[np.ndarray, " unknowns"]
    norm: complex


@BilinearForm
def _curl(u, v, w):
    return w["c"] * u.curl * v.curl


@BilinearForm
def _tt(u, v, w):
    return w["a"] * u[0] * v[0] + w["b"] * u[1] * v[1]


@BilinearForm
def _tt_cross(u, v, w):
    return w["c"] * (u[0] * v[1] + u[1] * v[0])


@BilinearForm
def _grad(u, v, w):
    return w["a"] * u.grad[0] * v.grad[0] + w["b"] * u.grad[1] * v.grad[1]


@BilinearForm
def _mass(u, v, w):
    return w["c"] * u * v


@BilinearForm
def _t_of_grad(u, v, w):  # u is e_z, v is F_t
    return w["a"] * u.grad[0] * v[0] + w["b"] * u.grad[1] * v[1]


@BilinearForm
def _t_of_z(u, v, w):  # u is e_z, v is F_t
    return (w["a"] * v[0] + w["b"] * v[1]) * u


class _Companion(spl.LinearOperator):
    def __init__(self, apply, size: int, kind: np.dtype) -> None:
        super().__init__(kind, (size, size))
        self.apply = apply

    def _matvec(self, x):
        return self.apply(x)


class Problem:
    """The eigenproblem of one mesh; permittivities and wavelength come with each call.

    Args:
        mesh: The cross-section, in µm.
        mirror: Side on which the wall is magnetic (natural) instead of electric: "" or "left".
    """

    def __init__(self, mesh: MeshTri, mirror: str = "") -> None:
        self.t = Basis(mesh, ElementTriN2(), intorder=4)
        self.z = self.t.with_element(ElementTriP2())
        edge = mesh.p[0].min()
        start = edge + 1e-9 if mirror == "left" else edge - 1.0
        facets = mesh.facets_satisfying(lambda x: x[0] > start, boundaries_only=True)
        wall_t, wall_z = (b.get_dofs(facets).all() for b in (self.t, self.z))
        self.free = np.setdiff1d(np.arange(self.t.N + self.z.N), np.concatenate([wall_t, self.t.N + wall_z]))

    def permittivity(self, eps: Tensor) -> sp.csr_matrix:
        """The part of K0 that belongs to ε (with its sign): −F·ε·E for e_z = E_l/i."""
        xx = self._form(_tt, self.t, self.t, a=eps[0, 0], b=eps[1, 1])
        if np.any(eps[0, 1]):
            xx = xx + self._form(_tt_cross, self.t, self.t, c=eps[0, 1])
        zz = self._form(_mass, self.z, self.z, c=eps[2, 2])
        if not (np.any(eps[0, 2]) or np.any(eps[1, 2])):
            return -sp.bmat([[xx, None], [None, zz]], format="csr")
        xz = 1j * self._form(_t_of_z, self.z, self.t, a=eps[0, 2], b=eps[1, 2])
        return -sp.bmat([[xx, xz], [-xz.T, zz]], format="csr")

    def pencil(self, eps: Tensor, wl: float, mu: Tensor | None = None) -> tuple[sp.csr_matrix, ...]:
        """K0, K1, K2 on all unknowns."""
        curl, k1, grad, k2 = self._curls if mu is None else self._curl_parts(mu)
        k = 2 * np.pi / wl
        return (
            (curl + grad) / k**2 + self.permittivity(eps),
            k1 / k,
            k2,
        )

    def solve(
        self, eps: Tensor, wl: float, *, near: float | complex, count: int, mu: Tensor | None = None
    ) -> list[Mode]:
        """The ``count`` modes whose index lies nearest to ``near``, largest real part first."""
        k0, k1, k2 = (m[self.free][:, self.free] for m in self.pencil(eps, wl, mu))
        lu = spl.splu(
            (k0 + near * k1 + near**2 * k2).tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}
        )
        p1, size = (k1 + 2 * near * k2).tocsr(), k0.shape[0]
        kind = np.result_type(k0.dtype, k1.dtype, k2.dtype, np.asarray(near).dtype)

        def companion(xy):
            x, y = xy[:size], xy[size:]
            return np.concatenate([-lu.solve(p1 @ x + k2 @ y), x])

        start = np.random.default_rng(0).standard_normal(2 * size).astype(kind)
        operator = _Companion(companion, 2 * size, kind)
        values, vectors = spl.eigs(operator, k=count, which="LM", v0=start, tol=1e-13)  # pyright: ignore[reportArgumentType]
        modes = []
        for value, vector in zip(values, vectors.T, strict=True):
            n, x = near + 1 / value, vector[:size]
            left = x if mu is not None else x.conj()  # complex symmetric with absorbing walls, else Hermitian
            field = np.zeros(self.t.N + self.z.N, complex)
            field[self.free] = x
            modes.append(Mode(n, field, left @ ((k1 + 2 * n * k2) @ x)))
        return sorted(modes, key=lambda mode: -mode.n_eff.real)

    def slope(self, mode: Mode, derivative: sp.csr_matrix) -> float:
        """dn_eff for a change ``derivative`` of the pencil (a lossless mode)."""
        return float(np.real(-(mode.field.conj() @ (derivative @ mode.field)) / mode.norm))

    def group_index(self, mode: Mode, eps: Tensor, deps_dwl: Tensor, wl: float) -> float:
        """n_g = n − λ·dn/dλ with the materials' dispersion ``deps_dwl`` per µm."""
        curl, k1, grad, _ = self._curls
        k, n = 2 * np.pi / wl, mode.n_eff.real
        by_wl = 2 / (wl * k**2) * (curl + grad) + n / (wl * k) * k1 + self.permittivity(deps_dwl)
        return n - wl * self.slope(mode, by_wl)

    def te_fraction(self, mode: Mode) -> float:
        """Share of the transverse |E|² that lies in the film's plane."""
        one, zero = np.ones(self.t.mesh.nelements), np.zeros(self.t.mesh.nelements)
        x = mode.field[: self.t.N]
        inside = [
            np.real(x.conj() @ (m @ x))
            for m in (self._form(_tt, self.t, self.t, a=a, b=b) for a, b in ((one, zero), (zero, one)))
        ]
        return float(inside[0] / sum(inside))

    @cached_property
    def _curls(self):
        one = np.broadcast_to(np.eye(3)[:, :, None], (3, 3, self.t.mesh.nelements))
        return self._curl_parts(one)

    def _curl_parts(self, mu: Tensor):
        """∇×∇×, then minus the terms of first order in n, the gradient part, and the part of second order."""
        a, b = 1 / mu[1, 1], 1 / mu[0, 0]
        curl = self._form(_curl, self.t, self.t, c=1 / mu[2, 2])
        mix = self._form(_t_of_grad, self.z, self.t, a=a, b=b)
        grad = self._form(_grad, self.z, self.z, a=a, b=b)
        mass = self._form(_tt, self.t, self.t, a=a, b=b)
        nt, nz = self.t.N, self.z.N
        return (
            sp.bmat([[curl, None], [None, sp.csr_matrix((nz, nz))]], format="csr"),
            -sp.bmat([[sp.csr_matrix((nt, nt)), mix], [mix.T, None]], format="csr"),
            sp.bmat([[sp.csr_matrix((nt, nt)), None], [None, grad]], format="csr"),
            sp.bmat([[mass, None], [None, sp.csr_matrix((nz, nz))]], format="csr"),
        )

    def _form(self, form, trial: Basis, test: Basis, **weights) -> sp.csr_matrix:
        """Assemble with weights constant in each element; complex weights in two real passes."""
        real = {name: np.real(value)[:, None] * np.ones((1, trial.X.shape[1])) for name, value in weights.items()}
        matrix = form.assemble(trial, test, **real).tocsr()
        if any(np.iscomplexobj(value) and np.any(np.imag(value)) for value in weights.values()):
            imag = {name: np.imag(value)[:, None] * np.ones((1, trial.X.shape[1])) for name, value in weights.items()}
            matrix = matrix + 1j * form.assemble(trial, test, **imag).tocsr()
        return matrix

"""The solvers that `bench_peers.py` compares with, all behind the same interface.

A *peer* is made once, which imports its package. Then it takes an [`Lp`], prepares it in its own
layout, and returns a function that solves it and returns `x`, or None. Only that function is timed.
It includes the solver's setup (scaling, symbolic and first numerical work). It does not include
filling a model through a slow interface (HiGHS, GLOP).
"""

import numpy as np


class Lp:
    """One LP: `min c·x` s.t. `A x <= b`, `x_i >= 0` where `lower[i] == 0`; the first `columns`
    entries of `x` are `z`."""

    def __init__(self, group, weight, inequalities, q, objective, scale):
        self.method, self.objective, self.scale, self.columns = group["method"], objective, scale, weight.shape[1]
        self.q, self.nonnegative = q, group["nonnegative"]
        unit = inequalities[:, 0].astype(int)
        side, self.slack, self.b = inequalities[:, 1], inequalities[:, 2], np.ascontiguousarray(inequalities[:, 3])
        self.unit, self.left = unit, side[:, None] * weight[unit]
        if self.method in ("linf", "exact"):
            violations = -self.slack[:, None]
        elif self.method == "l1":
            units, place = np.unique(unit, return_inverse=True)
            violations = np.zeros((len(unit), len(units)))
            violations[np.arange(len(unit)), place] = -self.slack
        else:
            violations = np.zeros((len(unit), 0))
        self.A = np.hstack([self.left, violations])
        extra = violations.shape[1]
        self.c = np.concatenate([np.zeros(self.columns) if q is None else -q, np.ones(extra)])
        self.lower = np.concatenate([np.full(self.columns, 0.0 if self.nonnegative else -np.inf), np.zeros(extra)])

    def reached(self, x):
        """The objective at `x`'s `z`, and the largest violation of a hard row, relative to the
        largest bound."""
        z = np.array(x[: self.columns], dtype=float)
        if not np.all(np.isfinite(z)):
            return np.nan, np.inf
        if self.nonnegative:
            z = np.maximum(z, 0.0)
        excess = self.left @ z - self.b
        if self.method == "relaxed":
            return float(self.q @ z), float(max(excess.max(), 0.0) / np.abs(self.b).max())
        violation = np.maximum(excess / self.slack, 0.0)
        if self.method != "l1":
            return float(violation.max()), 0.0
        of_unit = np.zeros(self.unit.max() + 1)
        np.maximum.at(of_unit, self.unit, violation)
        return float(of_unit.sum()), 0.0


# A peer takes an LP, prepares it, and returns a function that solves it and returns x (or None).
# Only this function is timed.


def piqp(backend, **settings):
    def make():
        import piqp
        from scipy import sparse

        dense = backend == "dense"

        def prepare(lp):
            n = len(lp.c)
            P = np.zeros((n, n), order="F") if dense else sparse.csc_matrix((n, n))
            A, lower = np.asfortranarray(lp.A) if dense else sparse.csc_matrix(lp.A), lp.lower

            def solve():
                solver = piqp.DenseSolver() if dense else piqp.SparseSolver()
                solver.settings.num_threads = 1
                for name, value in settings.items():
                    setattr(solver.settings, name, value)
                solver.setup(P, lp.c, None, None, A, None, lp.b, lower, None)
                return solver.result.x if solver.solve() == piqp.PIQP_SOLVED else None

            return solve

        return prepare

    return make


# Targets and weights are of size 1, so PIQP's scaling is not needed. Without its test of the gap it
# would stop at 1e-3 to 1e-5.
PIQP_TIGHT = dict(
    preconditioner_iter=0, eps_abs=1e-9, eps_rel=1e-9, eps_duality_gap_abs=1e-9, eps_duality_gap_rel=1e-9
)


def daqp(**settings):
    def make():
        import daqp

        def prepare(lp):
            n = len(lp.c)
            # Simple bounds come first, one for each entry of x.
            upper = np.concatenate([np.full(n, 1e30), lp.b])
            lower = np.concatenate([np.where(np.isfinite(lp.lower), lp.lower, -1e30), np.full(len(lp.b), -1e30)])
            H, A = np.zeros((n, n)), np.ascontiguousarray(lp.A)
            sense = np.zeros(len(upper), dtype=np.intc)

            def solve():
                x, _, flag, _ = daqp.solve(H, lp.c, A, upper, lower, sense, iter_limit=100_000, **settings)
                return x if flag > 0 else None

            return solve

        return prepare

    return make


def highs(algorithm):
    def make():
        import highspy

        def prepare(lp):
            rows, n = lp.A.shape
            model = highspy.HighsLp()
            model.num_col_, model.num_row_ = n, rows
            model.col_cost_, model.col_lower_, model.col_upper_ = lp.c, lp.lower, np.full(n, np.inf)
            model.row_lower_, model.row_upper_ = np.full(rows, -np.inf), lp.b
            by_column = lp.A.T
            column, row = np.nonzero(by_column)
            model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
            model.a_matrix_.start_ = np.searchsorted(column, np.arange(n + 1)).astype(np.int32)
            model.a_matrix_.index_, model.a_matrix_.value_ = row.astype(np.int32), by_column[column, row]
            solver = highspy.Highs()
            for option, value in [("output_flag", False), ("threads", 1), ("parallel", "off"), ("solver", algorithm)]:
                solver.setOptionValue(option, value)
            solver.passModel(model)

            def solve():
                solver.run()
                solved = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
                return np.array(solver.getSolution().col_value) if solved else None

            return solve

        return prepare

    return make


def cvxopt_conelp():
    import cvxopt

    cvxopt.solvers.options["show_progress"] = False

    def prepare(lp):
        bounded = np.flatnonzero(np.isfinite(lp.lower))
        bounds = np.zeros((len(bounded), len(lp.c)))
        bounds[np.arange(len(bounded)), bounded] = -1.0
        G = np.vstack([lp.A, bounds])
        # The violations' columns are mostly zeros, so a sparse matrix is used where there are many.
        c, h = cvxopt.matrix(lp.c), cvxopt.matrix(np.concatenate([lp.b, np.zeros(len(bounded))]))
        if lp.method == "l1":
            row, column = np.nonzero(G)
            G = cvxopt.spmatrix(G[row, column], row.tolist(), column.tolist(), G.shape)
        else:
            G = cvxopt.matrix(G)

        def solve():
            answer = cvxopt.solvers.lp(c, G, h)
            return np.array(answer["x"]).ravel() if answer["status"] == "optimal" else None

        return solve

    return prepare


def clarabel_python():
    import clarabel
    from scipy import sparse  # comes with clarabel

    def prepare(lp):
        n = len(lp.c)
        bounded = np.flatnonzero(np.isfinite(lp.lower))
        bounds = sparse.csc_matrix((-np.ones(len(bounded)), (np.arange(len(bounded)), bounded)), (len(bounded), n))
        A = sparse.vstack([sparse.csc_matrix(lp.A), bounds], format="csc")
        b = np.concatenate([lp.b, np.zeros(len(bounded))])
        P, cones = sparse.csc_matrix((n, n)), [clarabel.NonnegativeConeT(len(b))]
        settings = clarabel.DefaultSettings()
        settings.verbose, settings.max_threads, settings.direct_solve_method = False, 1, "qdldl"

        def solve():
            answer = clarabel.DefaultSolver(P, lp.c, A, b, cones, settings).solve()
            return np.array(answer.x) if "Solved" in str(answer.status) else None

        return solve

    return prepare


def glop():
    from ortools.linear_solver import pywraplp

    def prepare(lp):
        solver = pywraplp.Solver.CreateSolver("GLOP")
        infinity = solver.infinity()
        x = [solver.NumVar(float(low), infinity, "") for low in np.maximum(lp.lower, -infinity)]
        for row, bound in zip(lp.A, lp.b):
            constraint = solver.Constraint(-infinity, float(bound))
            for index in np.flatnonzero(row):
                constraint.SetCoefficient(x[index], float(row[index]))
        for variable, cost in zip(x, lp.c):
            solver.Objective().SetCoefficient(variable, float(cost))
        solver.Objective().SetMinimization()

        def solve():
            status = solver.Solve()
            return np.array([v.solution_value() for v in x]) if status == pywraplp.Solver.OPTIMAL else None

        return solve

    return prepare


# Name in the table, package, and the function that makes the peer.
PEERS = [
    ("PIQP", "piqp", piqp("dense")),
    ("PIQP-np", "piqp", piqp("dense", preconditioner_iter=0)),
    ("PIQP-9", "piqp", piqp("dense", **PIQP_TIGHT)),
    ("PIQP-sp", "piqp", piqp("sparse")),
    ("DAQP", "daqp", daqp()),
    ("DAQP-p", "daqp", daqp(eps_prox=0.1)),
    ("HiGHS-s", "highspy", highs("simplex")),
    ("HiGHS-i", "highspy", highs("ipm")),
    ("CVXOPT", "cvxopt", cvxopt_conelp),
    ("Clarabel", "clarabel", clarabel_python),
    ("GLOP", "ortools", glop),
]

KEY = (
    "PIQP: dense backend; -np without its scaling; -9 without scaling, all tolerances 1e-9; -sp sparse backend. DAQP: settings\n"
    "by default; -p with proximal steps of 0.1. HiGHS: -s dual simplex, -i interior point. CVXOPT: conelp, sparse for l1."
)

#!/usr/bin/env python3
"""Runs exported LPs through other solvers and prints one table: milliseconds an LP, and how that compares with unrelu's.

    unrelu bench lp --export lps --json > ours.json
    pip install numpy piqp daqp highspy cvxopt clarabel ortools
    python scripts/bench_peers.py lps --ours ours.json

Each peer gets the LP as `min c·x` s.t. `A x <= b`, `x >= 0` on some entries, in its own layout, made off the clock; its setup
and solve are timed, on one thread, in processor time. Its answer counts only if its objective, computed here from its `z`,
agrees with unrelu's certified one to a relative 1e-4 (and, for `relaxed`, if its rows hold to 1e-4 of the largest bound).
`src/bench/export.rs` describes the files.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy loads its BLAS

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

GATE = 1e-4


class Lp:
    """One LP: `min c·x` s.t. `A x <= b`, `x_i >= 0` where `lower[i] == 0`; the first `columns` entries of `x` are `z`."""

    def __init__(self, group, weight, inequalities, q, objective):
        self.method, self.objective, self.columns = group["method"], objective, weight.shape[1]
        self.q, self.nonnegative = q, group["nonnegative"]
        unit = inequalities[:, 0].astype(int)
        side, self.slack, self.b = inequalities[:, 1], inequalities[:, 2], np.ascontiguousarray(inequalities[:, 3])
        self.unit, self.left = unit, side[:, None] * weight[unit]
        if self.method == "linf":
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

    def difference(self, x):
        """Relative difference of the objective at `z` from unrelu's; `inf` if a hard row is violated."""
        z = np.array(x[: self.columns], dtype=float)
        if not np.all(np.isfinite(z)):
            return np.inf
        if self.nonnegative:
            z = np.maximum(z, 0.0)
        excess = self.left @ z - self.b
        if self.method == "relaxed":
            found = self.q @ z
            if excess.max() > GATE * np.abs(self.b).max():
                return np.inf
        else:
            violation = np.maximum(excess / self.slack, 0.0)
            if self.method == "linf":
                found = violation.max()
            else:
                of_unit = np.zeros(self.unit.max() + 1)
                np.maximum.at(of_unit, self.unit, violation)
                found = of_unit.sum()
        return abs(found - self.objective) / max(abs(self.objective), 1e-300)


# A peer takes an LP, prepares it, and returns a function that solves it and returns x (or None); only that one is timed.


def piqp_dense():
    import piqp

    def prepare(lp):
        n = len(lp.c)
        P, A, lower = np.zeros((n, n), order="F"), np.asfortranarray(lp.A), lp.lower

        def solve():
            solver = piqp.DenseSolver()
            solver.settings.num_threads = 1
            solver.setup(P, lp.c, None, None, A, None, lp.b, lower, None)
            return solver.result.x if solver.solve() == piqp.PIQP_SOLVED else None

        return solve

    return prepare


def daqp_dual_active_set():
    import daqp

    def prepare(lp):
        n = len(lp.c)
        # Simple bounds come first, one for each entry of x.
        upper = np.concatenate([np.full(n, 1e30), lp.b])
        lower = np.concatenate([np.where(np.isfinite(lp.lower), lp.lower, -1e30), np.full(len(lp.b), -1e30)])
        H, A = np.zeros((n, n)), np.ascontiguousarray(lp.A)
        sense = np.zeros(len(upper), dtype=np.intc)

        def solve():
            x, _, flag, _ = daqp.solve(H, lp.c, A, upper, lower, sense, eps_prox=1.0, iter_limit=100_000)
            return x if flag > 0 else None

        return solve

    return prepare


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
        # The violations' columns are mostly zeros: sparse where there are many.
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


# Name in the table, package, and what makes it.
PEERS = [
    ("PIQP", "piqp", piqp_dense),
    ("DAQP", "daqp", daqp_dual_active_set),
    ("HiGHS-s", "highspy", highs("simplex")),
    ("HiGHS-i", "highspy", highs("ipm")),
    ("CVXOPT", "cvxopt", cvxopt_conelp),
    ("Clarabel", "clarabel", clarabel_python),
    ("GLOP", "ortools", glop),
]


def load(folder, group):
    """The LPs of a group, one after another."""
    weight = np.load(folder / group["W"])
    for entry in group["lps"]:
        if entry["objective"] is None:
            continue  # nothing to agree with
        q = np.load(folder / entry["q"])[0] if "q" in entry else None
        yield Lp(group, weight, np.load(folder / entry["inequalities"]), q, entry["objective"])


def run(prepare, lps, seconds):
    """Milliseconds an LP, the largest difference, how many were solved of how many tried; stops after `seconds`."""
    spent, worst, solved, tried = 0.0, 0.0, 0, 0
    for lp in lps:
        solve = prepare(lp)
        before = time.process_time()
        try:
            x = solve()
        except Exception as error:  # a peer's failure is a figure of the table, not the end of it
            print(f"    {type(error).__name__}: {error}", file=sys.stderr)
            x = None
        spent += time.process_time() - before
        difference = np.inf if x is None else lp.difference(x)
        worst, tried, solved = max(worst, difference), tried + 1, solved + (difference <= GATE)
        if spent > seconds:
            break
    return 1e3 * spent / max(tried, 1), worst, solved, tried


def our_milliseconds(rows, group):
    """unrelu's milliseconds an LP for a group: one thread, the largest batch."""
    keys = ("rows", "columns", "method", "nonnegative", "weights")
    same = [r for r in rows if r["solver"] == "interior-point" and r["threads"] == 1 and all(r[k] == group[k] for k in keys)]
    return max(same, key=lambda r: r["batch"])["ms_per_lp"] if same else None


def three_digits(number):
    return f"{number:.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}" if number >= 1 else f"{number:.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="what `unrelu bench lp --export` wrote")
    parser.add_argument("--ours", type=Path, help="what `unrelu bench lp --json` printed in the same session")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each peer and group; one LP at least (2)")
    parser.add_argument("--peers", help="only these, by package: piqp,daqp")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()
    if not (arguments.folder / "index.json").is_file():
        parser.error(f"{arguments.folder} has no index.json; run `unrelu bench lp --export {arguments.folder}`")
    groups = json.loads((arguments.folder / "index.json").read_text())
    ours = json.loads(arguments.ours.read_text()) if arguments.ours else []

    peers, missing = [], []
    wanted = arguments.peers.split(",") if arguments.peers else [package for _, package, _ in PEERS]
    for name, package, make in PEERS:
        if package not in wanted:
            continue
        try:
            peers.append((name, make()))
        except ImportError:
            missing.append(package)
    if missing:
        print(f"left out: {', '.join(sorted(set(missing)))}; pip install {' '.join(sorted(set(missing)))}\n")

    print("Milliseconds an LP, one thread, processor time; below it the ratio to unrelu's (x) and the largest relative")
    print(f"difference of an objective. FAIL: some objective is off by more than {GATE:g} (LPs that passed / LPs tried).\n")
    print(f"{'':25}{'unrelu':>8}" + "".join(f"{name:>10}" for name, _ in peers))
    figures = []
    for group in groups:
        mine = our_milliseconds(ours, group)
        label = f"{group['rows']}x{group['columns']} {group['weights']} {group['method']}"
        cells = []
        for name, prepare in peers:
            milliseconds, worst, solved, tried = run(prepare, load(arguments.folder, group), arguments.seconds)
            passed = tried > 0 and solved == tried
            ratio = milliseconds / mine if mine else None
            cells.append((
                three_digits(milliseconds),
                ("" if ratio is None else f"{three_digits(ratio)}x") if passed else "FAIL",
                f"{worst:.0e}" if passed else f"{solved}/{tried}",
            ))
            figures.append({
                **{key: group[key] for key in ("rows", "columns", "weights", "nonnegative", "method")},
                "peer": name, "lps": tried, "passed": passed, "ms_per_lp": milliseconds, "ratio": ratio,
                "objective_difference": worst if np.isfinite(worst) else None,
            })
        print(f"{label:25}{three_digits(mine) if mine else '-':>8}" + "".join(f"{cell[0]:>10}" for cell in cells))
        for line in (1, 2):
            print(" " * 33 + "".join(f"{cell[line]:>10}" for cell in cells), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

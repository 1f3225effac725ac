"""Fits a logistic regression to the patients of both hospitals."""

import json
from pathlib import Path

import hospitals
import numpy as np

patients = hospitals.read(["north", "south"])
order = np.random.default_rng(1).permutation(len(patients))
held_out, used = order[: len(order) // 5], order[len(order) // 5 :]

x = patients[hospitals.FEATURES].to_numpy(float)
y = patients[hospitals.TARGET].to_numpy(float)
mean, spread = x[used].mean(axis=0), x[used].std(axis=0) + 1e-9
x = np.column_stack([np.ones(len(x)), (x - mean) / spread])


def probability(weights, rows):
    return 1 / (1 + np.exp(-(x[rows] @ weights)))


# Newton's method, with a small penalty that keeps it on the ground.
weights = np.zeros(x.shape[1])
for _ in range(25):
    p = probability(weights, used)
    gradient = x[used].T @ (y[used] - p) - 0.1 * weights
    curvature = (x[used].T * (p * (1 - p))) @ x[used] + 0.1 * np.eye(len(weights))
    weights += np.linalg.solve(curvature, gradient)

p = probability(weights, held_out)
positive, negative = p[y[held_out] == 1], p[y[held_out] == 0]
ranked = (positive[:, None] > negative[None, :]).mean() if len(positive) and len(negative) else float("nan")
result = {
    "patients": len(patients),
    "intercept": round(float(weights[0]), 3),
    "coefficients": {name: round(float(w), 3) for name, w in zip(hospitals.FEATURES, weights[1:], strict=True)},
    "area_under_curve": round(float(ranked), 2),
}
Path("/output/model.json").write_text(json.dumps(result, indent=2))
print("fitted to", len(used), "patients, tried on", len(held_out))

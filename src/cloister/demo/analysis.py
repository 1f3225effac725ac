"""How long do patients stay in hospital, by treatment and by C-reactive protein (CRP) at admission?

The hospital knows the treatment and the stay, the lab knows the CRP. What leaves the room is a table of groups and a
picture of that table. Groups of fewer than SMALLEST patients are left out of both, here in this script: nobody else
checks what a script writes. There is no grand total either, from which a group left out could be worked out.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd

SMALLEST = 10
BANDS = [0, 10, 50, 150, float("inf")]
LABELS = ["below 10", "10 to 50", "50 to 150", "150 or more"]
LOOKS = {"A": ("#0072b2", "o"), "B": ("#d55e00", "s"), "C": ("#009e73", "^")}  # told apart without colour, too

hospital = pd.read_csv("/input/hospital")
lab = pd.read_csv("/input/lab")

both = hospital.merge(lab, on="patient_id")
both["crp_mg_per_l_band"] = pd.cut(both["crp_mg_per_l"], BANDS, right=False, labels=LABELS)
days = both.groupby(["treatment", "crp_mg_per_l_band"], observed=False)["days_in_hospital"]
table = days.agg(patients="count", mean_days="mean", standard_error="sem").reset_index()
table = table[table["patients"] >= SMALLEST]

table.round({"mean_days": 2, "standard_error": 2}).to_csv("/output/stay.csv", index=False)

figure, axes = plt.subplots(figsize=(8, 5), dpi=150, layout="constrained")
figure.get_layout_engine().set(w_pad=0.15, h_pad=0.15)
treatments = sorted(table["treatment"].unique())
for position, treatment in enumerate(treatments):
    rows = table[table["treatment"] == treatment]
    x = [LABELS.index(band) + (position - (len(treatments) - 1) / 2) * 0.24 for band in rows["crp_mg_per_l_band"]]
    color, marker = LOOKS.get(treatment, ("#555555", "D"))
    axes.errorbar(
        x,
        rows["mean_days"],
        yerr=1.96 * rows["standard_error"],
        fmt=marker,
        color=color,
        capsize=4,
        markersize=7,
        label=f"Treatment {treatment}",
    )
    for where, mean, error, count in zip(x, rows["mean_days"], rows["standard_error"], rows["patients"], strict=True):
        axes.annotate(
            f"n={count}",
            (where, mean - 1.96 * error),
            xytext=(0, -5),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=8,
            color=color,
        )
axes.set_xticks(range(len(LABELS)), LABELS)
axes.set_xlim(-0.5, len(LABELS) - 0.5)
axes.set_ylim(bottom=0)
axes.set_xlabel("C-reactive protein at admission (mg/L)")
axes.set_ylabel("Mean stay in hospital (days)")
axes.set_title("Length of stay by treatment and CRP", loc="left", fontweight="bold", pad=26)
axes.text(
    0,
    1.02,
    f"Bars: 95% confidence intervals. Groups of fewer than {SMALLEST} patients are left out.",
    transform=axes.transAxes,
    fontsize=9,
    color="#444444",
)
axes.grid(axis="y", color="#dddddd")
axes.set_axisbelow(True)
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, loc="upper left")
figure.savefig("/output/stay.png")

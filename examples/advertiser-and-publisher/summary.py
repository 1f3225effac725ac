"""The share of each topic in each segment."""

import cloister_util

overlap = cloister_util.read_tabular_data("/input/overlap")
shares = overlap.assign(share=overlap["people"] / overlap.groupby("segment")["people"].transform("sum"))
shares.pivot_table(index="segment", columns="topic", values="share").round(2).to_csv("/output/shares.csv")

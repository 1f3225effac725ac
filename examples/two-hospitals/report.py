"""Puts the model into words."""

import json
from pathlib import Path

model = json.loads(Path("/input/model/model.json").read_text())

lines = [f"A model of readmission over {model['patients']} patients of two hospitals.", ""]
for name, weight in sorted(model["coefficients"].items(), key=lambda each: -abs(each[1])):
    lines.append(f"{name.replace('_', ' ')}: {'more' if weight > 0 else 'less'} likely to come back ({weight:+.2f})")
lines += ["", f"Of two patients it ranks the right one higher {model['area_under_curve']:.0%} of the time."]
Path("/output/report.txt").write_text("\n".join(lines) + "\n")

"""Makes the two files that the demo ships, always the same.

The people and the numbers are invented. About two thirds of the hospital's patients are known to the lab too.
"""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "src" / "cloister" / "demo"
SEED = 20240229
PATIENTS = 640
ONLY_LAB = 180
_FIRST = """
Ada Anton Beatriz Bruno Carla Cyril Dalia Dario Elena Emil Farah Felix Greta Hassan Ines Ivan Jana Jonas Karin
Lars Leila Linus Mara Milo Nadia Nico Olga Oskar Petra Pavel Rosa Rafael Selma Simon Tanja Tomas Vera Viktor Yara
"""
_LAST = """
Abegg Amstutz Berisha Bianchi Brunner Caflisch Costa Dietrich Egli Favre Frei Gerber Grimm Haas Hofer Huber
Imhof Jost Kaya Keller Kunz Lang Lutz Maurer Meier Moser Nussbaum Ott Pereira Rossi Schmid Steiner Sutter Tanner
Vogel Weber Widmer Wyss Zaugg Zollinger
"""
_WARDS = ("3 East", "3 West", "4 East", "4 West")
_BASE_DAYS = {"A": 6.2, "B": 5.1, "C": 5.6}


def make() -> dict[str, str]:
    """The files' texts by their names."""
    chance = random.Random(SEED)  # noqa: S311 - data for a demo, not a secret
    first, last = _FIRST.split(), _LAST.split()
    hospital: list[list[object]] = []
    lab: list[list[object]] = []
    for number in range(PATIENTS):
        patient = f"P-{100000 + number * 1009 % 899999}"
        marker = min(420.0, max(0.6, chance.lognormvariate(3.6, 1.25)))
        treatment = chance.choices("ABC", weights=(46, 44, 10))[0]
        days = _BASE_DAYS[treatment] + marker * (0.034 if treatment == "A" else 0.021) + chance.gauss(0, 1.9)
        name = f"{chance.choice(first)} {chance.choice(last)}"
        hospital.append(
            [patient, name, chance.randint(1934, 2004), chance.choice(_WARDS), treatment, max(1, int(days))]
        )
        if chance.random() < 0.68:
            lab.append(_sample(chance, patient, marker))
    for number in range(ONLY_LAB):
        lab.append(_sample(chance, f"P-{999500 + number}", max(0.6, chance.lognormvariate(2.4, 1.0))))
    chance.shuffle(hospital)
    chance.shuffle(lab)
    return {
        "hospital.csv": _csv(["patient_id", "name", "birth_year", "ward", "treatment", "days_in_hospital"], hospital),
        "lab.csv": _csv(["patient_id", "sampled_on", "crp_mg_per_l"], lab),
    }


def _sample(chance: random.Random, patient: str, marker: float) -> list[object]:
    return [patient, f"2024-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}", f"{marker:.1f}"]


def _csv(header: list[str], rows: list[list[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()

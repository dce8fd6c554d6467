"""Writes the prospects.csv of the example: 150 invented people, by the rule below and without chance.

    python tests/prospects/make_prospects.py > examples/prospects/prospects.csv

By the criteria of pipeline.toml (150 found, 120 scored, 75 of high priority, 50 selected):

    60  meet everything, 100 points
    15  are a little too large or too small, 85 points: still of high priority
    15  sit in another region, 70 points
    15  are in another industry, 60 points
    15  miss industry and size, 30 points
    10  have no address, 10 no industry, 10 no size: these cannot be scored

The kinds are mixed by steps of 7 through the 150 (7 and 150 have no common divisor), so that each place comes once.
"""

from __future__ import annotations

import csv
import sys
from typing import TextIO

COLUMNS = ("Company", "Industry", "Employees", "Region", "Email", "First name", "Last name", "Title")
FIRST = (
    "Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ines", "Jan", "Kim", "Lea", "Mona", "Nils", "Olga",
)  # fmt: skip
LAST = ("Alder", "Birch", "Cove", "Dale", "Elm", "Ford", "Glen", "Hill", "Isle", "Jones")
PLACES = (
    "Harbor", "Summit", "Willow", "Granite", "Prairie", "Juniper", "Lakeside", "Northgate", "Redwood", "Sterling",
    "Meadow", "Canyon", "Birchwood", "Old Mill", "Riverside", "Cedar", "Pinecrest", "Ridge", "Maple", "Bluestone",
    "Copper", "Eagle", "Foxglove", "Heron", "Ironwood", "Larkspur", "Mesa", "Orchard", "Silverlake", "Thistle",
)  # fmt: skip
TRADES = {
    "Construction": ("Builders", "Contracting", "Concrete", "Roofing", "Framing"),
    "Real Estate": ("Realty", "Property Group", "Homes", "Estates", "Leasing"),
    "Healthcare": ("Clinics", "Dental Care", "Health Center", "Physiotherapy", "Home Care"),
    "Retail": ("Outfitters", "Grocers", "Books", "Hardware", "Florists"),
    "Software": ("Systems", "Labs", "Data", "Apps", "Networks"),
}
WANTED, OTHER = ("Construction", "Real Estate", "Healthcare"), ("Retail", "Software")
REGIONS, ABROAD = ("US", "CA", "US-CA", "US-TX", "CA-ON", "US-NY"), ("DE", "FR", "GB")
TITLES = ("Owner", "Operations Manager", "Office Manager", "Director", "Site Manager")
KINDS = (
    *(("fits", 60), ("near in size", 15), ("abroad", 15), ("other industry", 15), ("neither", 15)),
    *(("no address", 10), ("no industry", 10), ("no size", 10)),
)
DOMAINS = ("example.com", "example.org", "example.net")
NAMELESS = 12
"""Every twelfth has no first name: the template greets them all the same."""


def prospect(number: int, kind: str) -> tuple[str, ...]:
    """The row of prospect `number` (from 0) in the order of COLUMNS."""
    line, place = divmod(number, len(FIRST))
    first, last = FIRST[(place + 4 * line) % len(FIRST)], LAST[line]
    trades = OTHER if kind in ("other industry", "neither") else WANTED
    trade = trades[number % len(trades)]
    # Ten lines of fifteen: the last five have places of their own, so that no company comes twice.
    company = f"{PLACES[place + len(FIRST) * (line // 5)]} {TRADES[trade][line % 5]}"
    regions = ABROAD if kind == "abroad" else REGIONS
    region = regions[number % len(regions)]
    size = 10 + number * 37 % 491
    if kind == "near in size":
        size = 501 + number * 3 if number % 2 else 5 + number % 5
    elif kind == "neither":
        size = 1_200 + number * 10
    slug = "".join(letter if letter.isalnum() else "-" for letter in company.lower())
    address = f"{first}.{last}@{slug}.{DOMAINS[number % len(DOMAINS)]}".lower()
    return (
        company,
        "" if kind == "no industry" else trade,
        "" if kind == "no size" else str(size),
        region,
        "" if kind == "no address" else address,
        "" if number % NAMELESS == NAMELESS - 1 else first,
        last,
        TITLES[number % len(TITLES)],
    )


def write(out: TextIO) -> None:
    """The whole file with `\\n` as its line ends."""
    kinds = [kind for kind, count in KINDS for _ in range(count)]
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(COLUMNS)
    lines.writerows(prospect(number, kinds[number * 7 % len(kinds)]) for number in range(len(kinds)))


if __name__ == "__main__":
    write(sys.stdout)

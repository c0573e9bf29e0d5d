"""Names and places of made-up customers. None is a real company; every address ends in .example."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from random import Random
from typing import Final


@dataclass(frozen=True, slots=True)
class Country:
    """A country as customers there are called, addressed, taxed and billed."""

    code: str
    currency: str
    tax_rate_percent: str
    streets: tuple[str, ...]
    places: tuple[tuple[str, str, str, str], ...]  # city, region, postal code, time zone
    families: tuple[str, ...]
    trades: tuple[str, ...]
    patterns: tuple[str, ...]  # of a company's name


US: Final = Country(
    "US", "USD", "0",
    ("Maple Street", "Harbor Road", "Lincoln Avenue", "Mill Lane", "Canal Street", "Prairie Drive", "5th Avenue"),
    (("Portland", "OR", "97205", "America/Los_Angeles"), ("Austin", "TX", "78701", "America/Chicago"),
     ("Madison", "WI", "53703", "America/Chicago"), ("Albany", "NY", "12207", "America/New_York"),
     ("Denver", "CO", "80202", "America/Denver"), ("Savannah", "GA", "31401", "America/New_York"),
     ("Boise", "ID", "83702", "America/Boise"), ("Providence", "RI", "02903", "America/New_York")),
    ("Alder", "Brightwater", "Calloway", "Dunmore", "Eastgate", "Fairbanks", "Granger", "Hollis", "Ironwood",
     "Juniper", "Kessler", "Larkin", "Marlow", "Northfield", "Oakhurst", "Pemberton", "Quincy", "Redfern",
     "Stanhope", "Tillman", "Underhill", "Vance", "Whitlock", "Yarrow"),
    ("Dental", "Logistics", "Robotics", "Bakery", "Veterinary Clinic", "Architects", "Print Works", "Outfitters",
     "Optics", "Brewing", "Legal", "Analytics", "Nursery", "Machine Tools", "Travel", "Physical Therapy"),
    ("{0} {2}", "{0} & {1} {2}", "{0} {2} Inc.", "{0} {2} LLC", "The {0} {2} Company"),
)  # fmt: skip
DE: Final = Country(
    "DE", "EUR", "19",
    ("Lindenstraße", "Hafenweg", "Gartenstraße", "Am Markt", "Bergstraße", "Schillerstraße"),
    (("Köln", "NW", "50667", "Europe/Berlin"), ("Leipzig", "SN", "04109", "Europe/Berlin"),
     ("Hamburg", "HH", "20457", "Europe/Berlin"), ("Freiburg", "BW", "79098", "Europe/Berlin")),
    ("Hofmann", "Krüger", "Lindner", "Baumgart", "Seidel", "Vogt", "Reinhardt", "Möller", "Brandl", "Ziegler"),
    ("Logistik", "Maschinenbau", "Druckerei", "Medizintechnik", "Gartenbau", "Software", "Spedition", "Optik"),
    ("{0} {2} GmbH", "{0} & {1} {2} GmbH", "{2} {0} KG"),
)  # fmt: skip
FR: Final = Country(
    "FR", "EUR", "20",
    ("rue des Lilas", "quai de la Marne", "avenue Victor-Hugo", "place du Marché"),
    (("Lyon", "ARA", "69002", "Europe/Paris"), ("Nantes", "PDL", "44000", "Europe/Paris"),
     ("Lille", "HDF", "59000", "Europe/Paris")),
    ("Moreau", "Lefèvre", "Girard", "Fontaine", "Chevalier", "Perrin", "Blanchard"),
    ("Imprimerie", "Ateliers", "Conseil", "Transports", "Menuiserie", "Optique"),
    ("{2} {0} SARL", "{2} {0} & {1}", "{0} {2} SAS"),
)  # fmt: skip
GB: Final = Country(
    "GB", "GBP", "20",
    ("High Street", "Church Lane", "Station Road", "Victoria Terrace", "Mill Row"),
    (("Bristol", "England", "BS1 4DJ", "Europe/London"), ("Leeds", "England", "LS1 5AB", "Europe/London"),
     ("Cardiff", "Wales", "CF10 1EP", "Europe/London"), ("Edinburgh", "Scotland", "EH1 1YZ", "Europe/London")),
    ("Ashworth", "Bexley", "Carrow", "Dalton", "Elmswood", "Fenwick", "Grimsby", "Hartley", "Inglewood", "Kendrick"),
    ("Joinery", "Opticians", "Freight", "Ceramics", "Surveyors", "Tea Merchants", "Engineering", "Dental Care"),
    ("{0} {2} Ltd", "{0} & {1} {2}", "{0} {2}"),
)  # fmt: skip

COUNTRIES: Final = (US, DE, FR, GB)
WEIGHTS: Final = (62, 14, 8, 16)
NAME_ATTEMPTS_MAX: Final = 50


def company_name(country: Country, taken: set[str], chance: Random) -> str:
    """A name that nobody has yet; after NAME_ATTEMPTS_MAX, one with a number."""
    name = ""
    for _ in range(NAME_ATTEMPTS_MAX):
        one, other = chance.sample(country.families, 2)
        name = chance.choice(country.patterns).format(one, other, chance.choice(country.trades))
        if name not in taken:
            taken.add(name)
            return name
    name = f"{name} {len(taken) + 1}"
    taken.add(name)
    return name


def email_of(name: str) -> str:
    """accounts@alder-finch-dental.example"""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return f"accounts@{re.sub(r'[^a-z0-9]+', '-', plain).strip('-')}.example"

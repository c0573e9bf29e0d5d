"""A postal address, of a customer or of the business itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Address:
    line1: str = ""
    line2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""

    def lines(self) -> list[str]:
        """As it is printed, from the street down."""
        parts = (self.line1, self.line2, f"{self.postal_code} {self.city}".strip(), self.region, self.country)
        return [part for part in parts if part]


NOWHERE: Final = Address()

"""A postal address, of a customer or of the business itself."""

from __future__ import annotations

from typing import Final

from shared.domain.values import dataclass

# Where the postal code stands behind the town and its state.
CODE_LAST: Final = frozenset({"US", "GB", "CA", "AU", "NZ", "IE", "IN", "ZA", "USA", "UK"})


@dataclass(frozen=True, slots=True)
class Address:
    line1: str = ""
    line2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""

    def lines(self, country: str | None = None) -> list[str]:
        """As it is printed, from the street down; `country` is printed in place of its own."""
        town, region = f"{self.postal_code} {self.city}".strip(), self.region
        if self.country.upper() in CODE_LAST:
            place = ", ".join(part for part in (self.city, self.region) if part)
            town, region = f"{place} {self.postal_code}".strip(), ""
        shown = self.country if country is None else country
        return [part for part in (self.line1, self.line2, town, region, shown) if part]


NOWHERE: Final = Address()

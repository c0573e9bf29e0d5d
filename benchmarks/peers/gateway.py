"""djaodjin-saas's fake processor, answering as its caller asks today."""

from __future__ import annotations

from typing import Any

from saas.backends.fake_processor import FakeProcessorBackend


class Gateway(FakeProcessorBackend):
    """Every charge succeeds when it is looked up."""

    def retrieve_charge(self, charge: Any, broker: Any = None) -> Any:
        if charge.is_progress:
            charge.payment_successful()
        return charge

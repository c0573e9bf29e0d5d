"""docs/ACCESS.md: every route and who may use it, written from the code and the template. `make access`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from functions.admin_api.access import ROLES, needed_role
from functions.admin_api.app import ENDPOINTS
from functions.admin_api.routing import Endpoint
from infra.wiring import Wiring, load_wiring

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "ACCESS.md"

HEAD: Final = """# Who may do what

Made by `make access` from the routes of the code and the template; a test holds it current.

A person signs in to the stack's Cognito user pool and sends the *ID token* as `Authorization: Bearer …`. API Gateway
checks its signature, issuer and expiry; the function checks again that it is an ID token of this pool for this
installation's client, and takes the highest of the groups `viewer`, `operator`, `admin` as the role. Each role may
do what those before it may. Without a valid token the answer is 401; with too low a role it is 403, whether or not
what is asked for exists; what does not exist is 404.

"""


def written(wiring: Wiring) -> str:
    """The whole document."""
    lines = ["| method | path | " + " | ".join(ROLES) + " |", "|---|---|" + ":-:|" * len(ROLES)]
    lines += [_row(made) for made in sorted(ENDPOINTS, key=lambda e: (e.shown, e.method))]
    others = [r for r in wiring.routes if r.function != "AdminApiFunction"]
    lines += ["", "Outside the admin API, without a token:", "", "| method | path | answered by |", "|---|---|---|"]
    lines += [f"| {r.method} | `{r.path}` | {r.function} |" for r in sorted(others, key=lambda r: (r.path, r.method))]
    return HEAD + "\n".join(lines) + "\n"


def _row(made: Endpoint) -> str:
    if made.public:
        return f"| {made.method} | `{made.shown}` | " + " | ".join("open" for _ in ROLES) + " |"
    needed = ROLES.index(needed_role(made.method, made.path))
    marks = ["✓" if n >= needed else "" for n in range(len(ROLES))]
    return f"| {made.method} | `{made.shown}` | " + " | ".join(marks) + " |"


def main() -> None:
    DOCUMENT.write_text(written(load_wiring()), encoding="utf-8")


if __name__ == "__main__":
    main()

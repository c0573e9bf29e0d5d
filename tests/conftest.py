"""What holds for every test: the same examples each time, and no way to a real account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

# A time limit per example fails by chance on a busy machine, and so would other examples in each run.
settings.register_profile("paidup", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("paidup")

NO_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@pytest.fixture(autouse=True, scope="session")
def no_real_account() -> Iterator[None]:
    """No test finds a developer's credentials, whatever it forgets to mock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_PROFILE", raising=False)
        for name, value in NO_ACCOUNT.items():
            patch.setenv(name, value)
        yield

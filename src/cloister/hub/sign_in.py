"""What signing in needs beside the database: threads that hash, counts of attempts, and the provider."""

from __future__ import annotations

from cloister.hub.hashing import Passwords
from cloister.hub.limits import Rate
from cloister.hub.provider import Provider
from cloister.hub.settings import HubSettings

_HOUR = 3600


class SignIn:
    """One hub's door. `close` it when the hub stops."""

    def __init__(self, settings: HubSettings) -> None:
        """Raises `CloisterError` where the settings of the provider are not whole."""
        self.passwords = Passwords()
        self.provider = Provider.of(settings)
        what = "attempts to sign in"
        self._accounts = Rate(settings.attempts_per_hour / _HOUR, settings.attempts_burst, what)
        self._addresses = Rate(settings.address_attempts_per_hour / _HOUR, settings.address_attempts_burst, what)

    def count(self, address: str, account: str | None = None) -> None:
        """One attempt more, to this account if it is known which. A 429 `Problem` says when the next one is allowed.

        An account that isn't there is counted as one that is.
        """
        self._addresses.take(address)
        if account is not None:
            self._accounts.take(account)

    async def close(self) -> None:
        self.passwords.close()
        if self.provider is not None:
            await self.provider.close()

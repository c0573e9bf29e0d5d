"""Mail through SES."""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import ClientError

from shared.gateways.clients import Clients, code_of
from shared.gateways.mail_pace import MailAccount
from shared.gateways.mime import address_of, compose
from shared.ports import Mail, MailRefused, SenderRefused, Unavailable

# Sent once: were an answer lost, the SDK's own repetition would be a second mail. The sender of notices asks SES's
# events about a mail that it does not know the end of.
ATTEMPTS_MAX = 1
REFUSED = frozenset({"MessageRejected", "BadRequestException", "InvalidParameterValue"})
# Nothing of this sender goes: its address is not verified, the role may not use it, or AWS has stopped the account.
SENDER_REFUSED = frozenset({
    "AccessDenied", "AccessDeniedException", "AccountSuspendedException", "MailFromDomainNotVerifiedException",
    "NotFoundException",
})  # fmt: skip
UNLIMITED = -1  # of a day
IN_SANDBOX = (
    "the account is in the SES sandbox, which mails verified addresses only; ask AWS for production access, then send "
    "it again"
)


def read_account(clients: Clients) -> MailAccount:
    """The account's quota. Raises Unavailable, also where it may not be read: mail then goes slowly."""
    try:
        said = clients.call("sesv2", "get_account", {})
    except ClientError as error:
        raise Unavailable(f"sesv2 get_account: {code_of(error)}") from error
    quota = said.get("SendQuota", {})
    day, sent = int(quota.get("Max24HourSend", UNLIMITED)), int(quota.get("SentLast24Hours", 0))
    limited = day != UNLIMITED
    return MailAccount(
        rate=quota.get("MaxSendRate") or None, left=day - sent if limited else None, day_max=day if limited else None,
        sandboxed=said.get("ProductionAccessEnabled") is False,
        paused=None if said.get("SendingEnabled", True) else "SES: sending is paused for this account",
    )  # fmt: skip


class SesMailer:
    """Implements shared.ports.Mailer. `account` tells whether it is in the sandbox, to say why SES refuses a mail."""

    def __init__(
        self, clients: Clients, configuration_set: str | None = None,
        account: Callable[[], MailAccount] = MailAccount,
    ) -> None:  # fmt: skip
        self._clients = clients
        self._configuration_set = configuration_set
        self._account = account

    def send(self, mail: Mail) -> str:
        raw = compose(mail)
        request = {
            "FromEmailAddress": mail.sender,
            "Destination": {"ToAddresses": [address_of(mail.to)]},
            "Content": {"Raw": {"Data": raw}},
            "EmailTags": [{"Name": "notice_id", "Value": mail.notice_id}],
        }
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        try:
            answer = self._clients.call("sesv2", "send_email", request, ATTEMPTS_MAX)
        except ClientError as error:
            raise self._refusal(error, mail) from error
        return str(answer["MessageId"])

    def _refusal(self, error: ClientError, mail: Mail) -> Exception:
        """What SES's refusal is of: this mail, or everything from its sender."""
        refusal: Exception = error
        code = code_of(error)
        said = f"SES: {error.response['Error'].get('Message', code)}"
        if code in SENDER_REFUSED or (code == "MessageRejected" and not self._verified(mail.sender)):
            return SenderRefused(f"{said} (sending as {mail.sender})")
        if code not in REFUSED:
            return refusal
        return MailRefused(f"{said}; {IN_SANDBOX}" if code == "MessageRejected" and self._account().sandboxed else said)

    def _verified(self, sender: str) -> bool:
        """Whether SES may send as this address, or as its domain. The code of a refusal does not tell whose it is."""
        address = address_of(sender)
        for identity in (address, address.rpartition("@")[2]):
            try:
                known = self._clients.call("sesv2", "get_email_identity", {"EmailIdentity": identity})
            except ClientError:
                continue  # not there, or not ours to ask about
            except Unavailable:
                return True  # nobody knows: the mail's own fault is the likelier
            if known.get("VerifiedForSendingStatus"):
                return True
        return False

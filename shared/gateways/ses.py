"""Mail through SES."""

from __future__ import annotations

from botocore.exceptions import ClientError

from shared.gateways.clients import Clients, code_of
from shared.gateways.mime import address_of, compose
from shared.ports import Mail, MailRefused

# Sent once: were an answer lost, the SDK's own repetition would be a second mail. The sender of notices asks SES's
# events about a mail that it does not know the end of.
ATTEMPTS_MAX = 1
REFUSED = frozenset({"MessageRejected", "BadRequestException", "InvalidParameterValue"})


class SesMailer:
    """Implements shared.ports.Mailer."""

    def __init__(self, clients: Clients, configuration_set: str | None = None) -> None:
        self._clients = clients
        self._configuration_set = configuration_set

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
            if code_of(error) in REFUSED:
                raise MailRefused(f"SES: {error.response['Error'].get('Message', code_of(error))}") from error
            raise
        return str(answer["MessageId"])

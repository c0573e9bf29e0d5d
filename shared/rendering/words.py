"""The fixed words of documents and mails in German, by their English. Sentences of mails stand in templates/de."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

GERMAN: Final[Mapping[str, str]] = MappingProxyType(
    {
        # documents: what they are
        "Invoice": "Rechnung",
        "Debit memo": "Belastungsanzeige",
        "Credit memo": "Gutschrift",
        "Invoice number": "Rechnungsnummer",
        "Memo number": "Belegnummer",
        "Billed to": "Rechnung an",
        "Credited to": "Gutschrift für",
        "Date": "Datum",
        "Due date": "Fällig am",
        "For invoice": "Zu Rechnung",
        # the lines and what they come to
        "Description": "Beschreibung",
        "Service period": "Leistungszeitraum",
        "Quantity": "Menge",
        "Unit price": "Einzelpreis",
        "Amount": "Betrag",
        "Subtotal": "Zwischensumme",
        "Tax": "Umsatzsteuer",
        "on": "auf",
        "Total": "Gesamtbetrag",
        "Total credit": "Gutschriftbetrag",
        "Balance due": "Offener Betrag",
        "Credited": "Gutgeschrieben",
        "Paid from credit": "Mit Guthaben bezahlt",
        "PAID": "BEZAHLT",
        "by credit": "mit Guthaben",
        "due": "fällig",
        ", due": ", fällig am",
        "due {}": "fällig am {}",
        "credited to your account": "Ihrem Konto gutgeschrieben",
        "Nothing left to pay": "Kein offener Betrag",
        # how to pay
        "Pay online": "Online bezahlen",
        "Scan the code or open the link to see your open invoices and pay. No password is needed.": (
            "Scannen Sie den Code oder öffnen Sie den Link, um Ihre offenen Rechnungen zu sehen und zu bezahlen. "
            "Ein Passwort ist nicht nötig."
        ),
        "QR code of the pay link": "QR-Code des Zahlungslinks",
        "Pay by bank transfer": "Per Überweisung bezahlen",
        "How to pay": "So können Sie bezahlen",
        "Account holder": "Kontoinhaber",
        "Reference": "Verwendungszweck",
        "Please quote {} with your payment.": "Bitte geben Sie bei der Zahlung {} an.",
        "Questions? Write to {}.": "Fragen? Schreiben Sie an {}.",
        # the foot of a page
        "Tax ID": "Steuernummer",
        "VAT ID": "USt-IdNr.",
        "Page {} of {}": "Seite {} von {}",
        # account summaries
        "Voided": "Storniert:",
        "Credit applied": "Guthaben verrechnet",
        "Payment": "Zahlung",
        "Refund": "Erstattung",
        # parts that mails share
        "Number": "Nummer",
        "Due": "Fällig am",
        "Days past due": "Tage überfällig",
        "Open": "Offen",
        "Age, days": "Alter (Tage)",
        "Or open this link": "Oder öffnen Sie diesen Link",
        "Sent by": "Gesendet von",
        "Questions? Write to": "Fragen? Schreiben Sie an",
        "day past due": "Tag überfällig",
        "days past due": "Tage überfällig",
        "day old": "Tag alt",
        "days old": "Tage alt",
        "of": "vom",
        "and": "und",
        "more": "weitere",
        "Opening balance": "Anfangssaldo",
        "Closing balance": "Endsaldo",
        # what data says
        "card": "Karte",
        "check": "Scheck",
        "transfer": "Überweisung",
        "bank transfer": "Überweisung",
        "cash": "Barzahlung",
        "credit": "Guthaben",
        "other": "andere Zahlungsart",
        "insufficient_funds": "das Konto ist nicht gedeckt",
        "expired_card": "die Karte ist abgelaufen",
        "card_declined": "von der Bank abgelehnt",
        "generic_decline": "von der Bank abgelehnt",
        "do_not_honor": "von der Bank abgelehnt",
        "incorrect_cvc": "die Prüfziffer stimmt nicht",
        "lost_card": "die Karte ist gesperrt",
        "stolen_card": "die Karte ist gesperrt",
        "limited": "eingeschränkt",
        "suspended": "gesperrt",
        "terminated": "beendet",
    }
)

"""The texts of the customer's page in German, by their English; {} are values, tags are the page's own. PRODUCT 11."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

GERMAN_PAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # around every page
        "Skip to the content": "Zum Inhalt springen",
        'Questions? Write to <a href="mailto:{}">{}</a>. This page needs no password: please do not pass its address on.': (  # noqa: E501
            'Fragen? Schreiben Sie an <a href="mailto:{}">{}</a>. Diese Seite braucht kein Passwort: '
            "Bitte geben Sie ihre Adresse nicht weiter."
        ),
        "Your account": "Ihr Konto",
        "Invoices": "Rechnungen",
        "Cards": "Karten",
        "Autopay": "Automatik",
        "Nothing was done yet": "Es ist noch nichts geschehen",
        "Error:": "Fehler:",
        "Leave this empty": "Bitte leer lassen",
        # what is open
        "Pay {}": "An {} zahlen",
        "{} to pay": "{} zu zahlen",
        " and ": " und ",
        "Nothing to pay": "Nichts zu zahlen",
        "You have a credit of <strong>{}</strong>. It goes towards your next invoices.": (
            "Sie haben ein Guthaben von <strong>{}</strong>. Es wird mit Ihren nächsten Rechnungen verrechnet."
        ),
        "We are not collecting anything from you at the moment: your account is on hold. You can still pay if you wish.": (  # noqa: E501
            "Wir ziehen zurzeit nichts von Ihnen ein: Ihr Konto ist zurückgestellt. "
            "Wenn Sie möchten, können Sie trotzdem zahlen."
        ),
        "You have promised to pay {} by <strong>{}</strong>. Thank you.": (
            "Sie haben zugesagt, {} bis zum <strong>{}</strong> zu zahlen. Vielen Dank."
        ),
        "what is due": "was fällig ist,",
        "Which invoices?": "Welche Rechnungen?",
        "payment under way": "Zahlung läuft",
        "on hold": "zurückgestellt",
        "overdue": "überfällig",
        "of {}": "vom {}",
        "{} in all": "{} insgesamt",
        "And {} more, which show once these are paid.": "Und {} weitere, die zu sehen sind, sobald diese bezahlt sind.",
        "There is no open invoice on your account. Thank you.": "Auf Ihrem Konto ist keine Rechnung offen. Vielen Dank.",  # noqa: E501
        # how to pay it
        "How?": "Wie?",
        "{} ending in {}": "{} mit den Endziffern {}",
        "until {}": "gültig bis {}",
        "Use a new card": "Eine neue Karte verwenden",
        'You have no card saved yet. <a href="{}/cards">Add a card</a> first, then come back here.': (
            "Sie haben noch keine Karte gespeichert. "
            '<a href="{}/cards">Fügen Sie eine Karte hinzu</a> und kommen Sie dann hierher zurück.'
        ),
        "Pay the selected invoices": "Die gewählten Rechnungen bezahlen",
        "Each selected invoice is charged in full, once, for the amount shown.": (
            "Jede gewählte Rechnung wird einmal und ganz abgebucht, mit dem Betrag, der hier steht."
        ),
        "Not today?": "Nicht heute?",
        "Tell us by when you will pay, and we will wait with reminders until then.": (
            "Sagen Sie uns, bis wann Sie zahlen. So lange warten wir mit Erinnerungen."
        ),
        "I will pay by": "Ich zahle bis zum",
        'Amount in {} <span class="soft">(leave it empty for all that is due)</span>': (
            'Betrag in {} <span class="soft">(leer lassen für alles, was fällig ist)</span>'
        ),
        "Make this promise": "Zusagen",
        # what became of it
        "Thank you": "Vielen Dank",
        "Your payment": "Ihre Zahlung",
        "Thank you, that is paid": "Vielen Dank, das ist bezahlt",
        "What became of your payment": "Was aus Ihrer Zahlung wurde",
        "There was not enough time for all of them.": "Die Zeit reichte nicht für alle.",
        "Go on with the rest": "Mit den übrigen fortfahren",
        "Back to your invoices": "Zurück zu Ihren Rechnungen",
        "Nothing is left to pay on it.": "Darauf ist nichts mehr zu zahlen.",
        "Another payment of it is under way. It was not charged again.": (
            "Eine andere Zahlung dafür läuft bereits. Es wurde nicht noch einmal abgebucht."
        ),
        "Its amount has changed since you looked. It was not charged.": (
            "Ihr Betrag hat sich geändert, seit Sie nachgesehen haben. Es wurde nichts abgebucht."
        ),
        "This card has been tried too often of late. Please use another one.": (
            "Diese Karte wurde in letzter Zeit zu oft versucht. Bitte verwenden Sie eine andere."
        ),
        "This card was removed. Please use another one.": (
            "Diese Karte wurde entfernt. Bitte verwenden Sie eine andere."
        ),
        "It has not been charged yet.": "Sie wurde noch nicht abgebucht.",
        "Paid. Thank you.": "Bezahlt. Vielen Dank.",
        "Paid, and given back since.": "Bezahlt und seither erstattet.",
        "The payment was declined{why}. Nothing was charged.": (
            "Die Zahlung wurde abgelehnt{why}. Es wurde nichts abgebucht."
        ),
        "The payment could not be made just now. Nothing was charged; please try again.": (
            "Die Zahlung war gerade nicht möglich. Es wurde nichts abgebucht; bitte versuchen Sie es noch einmal."
        ),
        "We do not know yet whether the payment went through. Please do not pay it again: we are finding out.": (
            "Wir wissen noch nicht, ob die Zahlung gelungen ist. Bitte zahlen Sie nicht noch einmal: "
            "Wir klären es gerade."
        ),
        "The payment is under way. Please do not pay it again.": (
            "Die Zahlung läuft. Bitte zahlen Sie nicht noch einmal."
        ),
        # cards
        "Your cards": "Ihre Karten",
        "Add a card": "Eine Karte hinzufügen",
        "The card form belongs to our payment provider and needs JavaScript. With it switched off, please ask us for another way to pay.": (  # noqa: E501
            "Das Kartenformular gehört unserem Zahlungsdienst und braucht JavaScript. "
            "Wenn es ausgeschaltet ist, fragen Sie uns bitte nach einem anderen Zahlungsweg."
        ),
        "This is a simulated payment gateway: there is no money in it. Choose one of its cards.": (
            "Dies ist ein simulierter Zahlungsdienst: Es fließt kein Geld. Wählen Sie eine seiner Karten."
        ),
        "Which card?": "Welche Karte?",
        "Save this card": "Diese Karte speichern",
        "Cancel": "Abbrechen",
        "The card's number goes to the payment provider only. We never see it.": (
            "Die Kartennummer geht nur an den Zahlungsdienst. Wir sehen sie nie."
        ),
        "Pay with a saved card": "Mit einer gespeicherten Karte zahlen",
        "No card is saved yet.": "Es ist noch keine Karte gespeichert.",
        # autopay rules
        "Automatic payment": "Automatische Zahlung",
        "Automatic payment is switched off for your account.": (
            "Die automatische Zahlung ist für Ihr Konto ausgeschaltet."
        ),
        "When an invoice is collected, these rules are tried from the top. The first that fits pays it.": (
            "Wenn eine Rechnung eingezogen wird, gelten diese Regeln von oben nach unten. Die erste, die passt, zahlt."
        ),
        "<strong>{}</strong> pays if {}.": "<strong>{}</strong> zahlt in diesem Fall: {}.",
        ", and ": " und ",
        "a card that was removed": "eine Karte, die entfernt wurde,",
        "switched off": "ausgeschaltet",
        "locked": "fest",
        "This rule was agreed with us. Please write to us to change it.": (
            "Diese Regel ist mit uns vereinbart. Bitte schreiben Sie uns, um sie zu ändern."
        ),
        "Change rule {}": "Regel {} ändern",
        "Choose what to do": "Wählen Sie, was geschehen soll",
        "Switch it on": "Einschalten",
        "Switch it off": "Ausschalten",
        "Try it earlier": "Früher anwenden",
        "Try it later": "Später anwenden",
        "Remove it": "Entfernen",
        "Pay with another card:": "Mit einer anderen Karte zahlen:",
        "Another card for rule {}": "Eine andere Karte für Regel {}",
        "Change": "Ändern",
        "There is no rule, so nothing is paid automatically.": (
            "Es gibt keine Regel, also wird nichts automatisch bezahlt."
        ),
        "You have made no rules. Where automatic payment was agreed, the first card that you saved pays. With a first rule, your rules alone decide.": (  # noqa: E501
            "Sie haben keine Regeln angelegt. Wo automatische Zahlung vereinbart ist, zahlt die Karte, "
            "die Sie zuerst gespeichert haben. Mit der ersten Regel entscheiden allein Ihre Regeln."
        ),
        "Add a rule": "Eine Regel hinzufügen",
        "Pay with": "Zahlen mit",
        "Choose a card": "Wählen Sie eine Karte",
        'invoices of at most, in {} <span class="soft">(leave it empty for all)</span>': (
            'Rechnungen bis höchstens, in {} <span class="soft">(leer lassen für alle)</span>'
        ),
        "Add this rule": "Diese Regel hinzufügen",
        '<a href="{}/cards">Add a card</a> first.': '<a href="{}/cards">Fügen Sie zuerst eine Karte hinzu.</a>',
        # the criteria of a rule: a subject, an operator, values
        "the contract": "Vertrag",
        "the amount is": "Betrag",
        "a line": "eine Position",
        "its age in days is": "Alter in Tagen",
        "the days past due are": "Tage überfällig",
        "the kind of invoice": "Rechnungsart",
        "the currency": "Währung",
        "less than": "unter",
        "at most": "höchstens",
        "exactly": "genau",
        "at least": "mindestens",
        "more than": "über",
        "from": "von",
        "is": "ist",
        "is not": "ist nicht",
        "contains": "enthält",
        "does not contain": "enthält nicht",
        " to ": " bis ",
        " or ": " oder ",
        "regular": "regulär",
        "out of turn": "außer der Reihe",
        # fields, and what is wrong with them
        "Payment method": "Zahlungsmittel",
        "Card": "Karte",
        "Rule": "Regel",
        "Form": "Formular",
        "Subject": "Betreff",
        "Version": "Fassung",
        "choose how to pay": "wählen Sie, wie Sie zahlen möchten",
        "choose at least one invoice to pay": "wählen Sie mindestens eine Rechnung",
        "an amount has changed since you opened the page: please look again": (
            "ein Betrag hat sich geändert, seit Sie die Seite geöffnet haben: bitte sehen Sie noch einmal nach"
        ),
        "is required: say by which day you will pay": "wird gebraucht: bis zu welchem Tag zahlen Sie?",
        "must be more than zero": "muss mehr als null sein",
        "must be given once": "darf nur einmal angegeben werden",
        "must be left empty": "muss leer bleiben",
        "has a field that is not known": "hat ein Feld, das es hier nicht gibt",
        "never type a card number here: add the card through the payment gateway's own form": (
            "geben Sie hier nie eine Kartennummer ein: die Karte kommt in das Formular des Zahlungsdienstes"
        ),
        "choose a card": "wählen Sie eine Karte",
        "choose what to do": "wählen Sie, was geschehen soll",
        "the rules have changed since this page was opened": (
            "die Regeln haben sich geändert, seit diese Seite geöffnet wurde"
        ),
        "choose a day from today on, not too far ahead": "wählen Sie einen Tag ab heute, der nicht zu weit voraus liegt",  # noqa: E501
        "write an amount of more than zero, such as 49.95": "schreiben Sie einen Betrag über null, etwa 49,95",
        "please enter the card anew": "bitte geben Sie die Karte noch einmal ein",
        "this rule cannot be changed like this": "diese Regel lässt sich so nicht ändern",
        "this cannot be done as it was sent": "so lässt sich das nicht ausführen",
        # pages that say one thing
        "There is no such thing here": "Das gibt es hier nicht",
        "Nothing was done.": "Es ist nichts geschehen.",
        "Open your page again": "Ihre Seite neu öffnen",
        "This form cannot be used any more": "Dieses Formular gilt nicht mehr",
        "Nothing was done. Please open your page again and repeat what you wanted to do.": (
            "Es ist nichts geschehen. Bitte öffnen Sie Ihre Seite neu und wiederholen Sie, was Sie tun wollten."
        ),
        "That cannot be done": "Das geht so nicht",
        "Please try again in a moment": "Bitte versuchen Sie es gleich noch einmal",
        "We could not do that just now.": "Das war gerade nicht möglich.",
        "The invoice is being made": "Die Rechnung wird gerade erstellt",
        "Please try again in a moment.": "Bitte versuchen Sie es gleich noch einmal.",
        "This link has expired": "Dieser Link ist abgelaufen",
        "Links work for a while only, so that an old mail opens nobody's account.": (
            "Links gelten nur eine Weile, damit eine alte E-Mail niemandes Konto öffnet."
        ),
        "We can send a fresh one to the e-mail address that we have on file.": (
            "Wir können einen neuen an die E-Mail-Adresse senden, die bei uns hinterlegt ist."
        ),
        "Send me a fresh link": "Einen neuen Link senden",
        "This link does not work any more": "Dieser Link gilt nicht mehr",
        "It was withdrawn. Please use the link in a newer mail, or ask whoever sends you the invoices.": (
            "Er wurde zurückgezogen. Bitte verwenden Sie den Link einer neueren E-Mail, "
            "oder fragen Sie, wer Ihnen die Rechnungen sendet."
        ),
        "This link leads nowhere": "Dieser Link führt nirgendwohin",
        "Please check that you copied all of it, or open it from the mail again.": (
            "Bitte prüfen Sie, ob Sie ihn ganz kopiert haben, oder öffnen Sie ihn noch einmal aus der E-Mail."
        ),
        "Look into your mailbox": "Sehen Sie in Ihr Postfach",
        "If there is an e-mail address on file, a fresh link is on its way to it. It can take a few minutes.": (
            "Wenn eine E-Mail-Adresse hinterlegt ist, ist ein neuer Link dorthin unterwegs. "
            "Das kann einige Minuten dauern."
        ),
        "Nothing came? Please write to whoever sends you the invoices.": (
            "Nichts angekommen? Bitte schreiben Sie an die Adresse, von der Ihre Rechnungen kommen."
        ),
        "Account summaries": "Kontoübersichten",
        "Would you like no more of them? Invoices and reminders still come.": (
            "Möchten Sie keine mehr erhalten? Rechnungen und Erinnerungen kommen weiterhin."
        ),
        "No more account summaries": "Keine Kontoübersichten mehr",
        "Stop them": "Abbestellen",
        "You get no more account summaries": "Sie erhalten keine Kontoübersichten mehr",
        "Invoices and reminders still reach you.": "Rechnungen und Erinnerungen erreichen Sie weiterhin.",
        "Was this a mistake? Please write to whoever sends you the invoices.": (
            "War das ein Versehen? Bitte schreiben Sie an die Adresse, von der Ihre Rechnungen kommen."
        ),
    }
)

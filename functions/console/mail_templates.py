"""Mail templates as they will look: the mail that is typed, as HTML in a frame of its own and as text. PRODUCT 6.

The HTML is shown in a frame that may do nothing (sandbox, and a policy of its own): it is what an admin typed.
"""

from __future__ import annotations

from html import escape
from typing import Any, Final

from functions.console.api import Api, Refusal
from functions.console.forms import whole
from functions.console.rendering import FRAMING, Answer, framed, html
from functions.console.requests import ConsoleRequest, NoSuchPage, Problem
from functions.console.views import frame, view
from shared.bootstrap import ports
from shared.rendering.speech import LANGUAGES
from shared.use_cases.lookups import settings_of

PARTS: Final = ("subject", "text", "html")
TEMPLATES_SHOWN: Final = 200

Mail = dict[str, Any]


def show_list(request: ConsoleRequest, api: Api) -> Answer:
    language = _language(request)
    found = api.items("/v1/templates", limit=TEMPLATES_SHOWN, language=language)
    return view(request, api, "templates", "/settings", templates=found, language=language, languages=LANGUAGES)


def show(request: ConsoleRequest, api: Api) -> Answer:
    return _page(request, api, None, None)


def preview(request: ConsoleRequest, api: Api) -> Answer:
    """The mail as it would be with what is typed; or the line that is wrong."""
    mail, fault = _tried(request, api)
    if request.by_script:
        return html("template_mail", **frame(request, settings_of(ports())), mail=mail, fault=fault)
    return _page(request, api, mail, fault)


def preview_html(request: ConsoleRequest, api: Api) -> Answer:
    """The mail's HTML alone, for the frame beside the text."""
    mail, fault = _tried(request, api)
    if mail is None:
        return framed(f"<p>{escape(fault.detail if fault else '')}</p>")
    return framed(mail["html"])


def save(request: ConsoleRequest, api: Api) -> str:
    name, language = request.id("name"), _language(request)
    body = {**_typed(request), "version": whole(request.fields.one("version"))}
    api.send("PUT", f"/v1/templates/{name}", body, language=language)
    return request.url(f"/templates/{name}", language=request.fields.one("language"), done="saved")


def reset(request: ConsoleRequest, api: Api) -> str:
    api.send("DELETE", f"/v1/templates/{request.id('name')}", language=_language(request))
    return request.url("/templates", language=request.fields.one("language"), done="reset")


def _page(request: ConsoleRequest, api: Api, mail: Mail | None, fault: Problem | None) -> Answer:
    language = _language(request)
    found = api.get(f"/v1/templates/{request.id('name')}", language=language)
    sent = "subject" in dict(request.fields.pairs)
    return view(
        request, api, "template", "/settings", template=found, typed=_typed(request) if sent else found, mail=mail,
        fault=fault, customer_id=request.fields.one("customer_id") or request.query.get("customer_id", ""),
        language=language, languages=LANGUAGES, headers=FRAMING,
    )  # fmt: skip


def _tried(request: ConsoleRequest, api: Api) -> tuple[Mail | None, Problem | None]:
    customer = request.fields.one("customer_id")
    body = {**_typed(request), **({"customer_id": customer} if customer else {})}
    try:
        return api.send("POST", f"/v1/templates/{request.id('name')}/preview", body, language=_language(request)), None
    except Refusal as refused:
        return None, refused.problem


def _language(request: ConsoleRequest) -> str:
    """The one of the page or form; the business's, if none is named."""
    asked = request.fields.one("language") or request.query.get("language") or settings_of(ports()).business.language
    if asked not in LANGUAGES:
        raise NoSuchPage
    return asked


def _typed(request: ConsoleRequest) -> dict[str, str]:
    """As it was typed, with the line ends of a file rather than those of a form."""
    given = dict(reversed(request.fields.pairs))
    return {part: given.get(part, "").replace("\r\n", "\n") for part in PARTS}

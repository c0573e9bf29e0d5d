"""Mail templates: read, changed, tried out and taken back."""

from __future__ import annotations

import re
from typing import Any, Final

from functions.admin_api.calls import Answer, Call, expect, one_of
from functions.admin_api.listing import PAGING, Source, page_of, pairs
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_fields import refuse
from shared.contracts.api_templates import PreviewBody, TemplateBody
from shared.domain.settings import Language
from shared.ports import Page
from shared.rendering.mail import MailTemplate, RenderedMail
from shared.rendering.speech import LANGUAGES
from shared.use_cases.lookups import customer_of, settings_of
from shared.use_cases.preview_template import preview_template
from shared.use_cases.templates import Template, put_template, reset_template, template_of, templates_of

router = new_router()

IN_LANGUAGE: Final = {"language": one_of(*LANGUAGES)}
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


@endpoint(router, "GET", "/v1/templates", filters={**PAGING, **IN_LANGUAGE})
def list_templates(call: Call[Any]) -> Answer:
    """All templates by name: those that Paidup comes with, as they count, and the admins' own."""
    language = _language(call)

    def known(after: str | None, most: int) -> Page[Template]:
        found = [t for t in templates_of(language, call.ports) if after is None or t.content.name > after]
        return Page(tuple(found[:most]), found[most - 1].content.name if len(found) > most else None)

    source: Source[Template] = Source(known, lambda t: t.content.name)
    return page_of(call, [source], pairs, lambda found: [_template_json(t) for t in found])


@endpoint(router, "GET", "/v1/templates/<name>", filters=IN_LANGUAGE)
def get_template(call: Call[Any], name: str) -> Answer:
    """One template, as it counts in a `language`: the business's, if none is asked for."""
    return Answer(200, _template_json(template_of(name, _language(call), call.ports)))


@endpoint(router, "PUT", "/v1/templates/<name>", body=TemplateBody, filters=IN_LANGUAGE)
def replace_template(call: Call[TemplateBody], name: str) -> Answer:
    """Change a template, or add one for tiers and triggers to name. One that does not render is refused."""
    body = call.body
    if body.name not in (None, name):
        refuse("name", "must be that of the path, or left out")
    if not _NAME.fullmatch(name):
        refuse("name", "must begin with a small letter and have small letters, digits and _ only")
    content = MailTemplate(name, body.subject, body.text, body.html)
    done, new = put_template(
        content, _language(call), call.ports, by=call.caller.id, expect=lambda version: expect(call, version)
    )
    return Answer(201 if new else 200, _template_json(done))


@endpoint(router, "DELETE", "/v1/templates/<name>", filters=IN_LANGUAGE)
def delete_template(call: Call[Any], name: str) -> Answer:
    """Back to the default, which is answered; a template of an admin's own is gone (204)."""
    left = reset_template(
        name, _language(call), call.ports, by=call.caller.id, expect=lambda version: expect(call, version)
    )
    return Answer(200, _template_json(left)) if left else Answer(204)


@endpoint(router, "POST", "/v1/templates/<name>/preview", body=PreviewBody, filters=IN_LANGUAGE)
def preview(call: Call[PreviewBody], name: str) -> Answer:
    """The mail with sample data or a customer's, in its language; parts in the body are tried in its place."""
    body, language = call.body, _language(call, call.body.customer_id)
    counting = template_of(name, language, call.ports).content
    parts = {part: getattr(body, part) or getattr(counting, part) for part in ("subject", "text", "html")}
    return Answer(
        200, _mail_json(preview_template(MailTemplate(name, **parts), language, body.customer_id, call.ports))
    )


def _language(call: Call[Any], customer_id: str | None = None) -> Language:
    """The one asked for, or that of the customer, or the business's."""
    asked: Language | None = call.query.get("language")
    settings = settings_of(call.ports)
    if asked is not None:
        return asked
    return customer_of(call.ports, customer_id).speaks(settings) if customer_id else settings.business.language


def _template_json(template: Template) -> dict[str, Any]:
    content = template.content
    return {
        "name": content.name,
        "subject": content.subject,
        "text": content.text,
        "html": content.html,
        "version": template.version,
        "customised": template.customised,
    }


def _mail_json(mail: RenderedMail) -> dict[str, Any]:
    return {"subject": mail.subject, "text": mail.text, "html": mail.html}

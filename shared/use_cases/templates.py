"""Mail templates: changed by admins, checked before they are kept, and never in the way of a mail. PRODUCT 6, 12."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from shared.domain.errors import Invalid, NotFound, Refused
from shared.domain.ids import derive_id
from shared.domain.notice import Notice
from shared.domain.settings import PastDue, Settings
from shared.domain.task import Task
from shared.domain.template import StoredTemplate, TemplateChange
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.rendering.defaults import TEMPLATE_NAMES, check_template, default_template
from shared.rendering.mail import MailTemplate, RenderedMail, TemplateError, render_mail
from shared.rendering.samples import FOR_OTHER_NAMES
from shared.use_cases.lookups import CONFLICT_RETRIES, settings_of

PARTITION = "templates"
CUSTOM_MAX = 200  # templates with names of their own
BY_TRIGGER = "template:"  # begins the kind of a notice that a trigger sends
TASK_KIND = "template_failed"


@dataclass(frozen=True, slots=True)
class Template:
    """A template as it counts: the admin's, or the default. `version` 0: never changed."""

    content: MailTemplate
    customised: bool
    version: int


# ---- reading --------------------------------------------------------------------------------------------------


def template_of(name: str, ports: Ports) -> Template:
    """Raises NotFound for a name that neither Paidup nor an admin gave."""
    return _counting(name, ports.store.get(StoredTemplate, PARTITION, name))


def templates_of(ports: Ports) -> list[Template]:
    """All of them, by name."""
    stored = _stored(ports)
    names = {*TEMPLATE_NAMES, *(name for name, s in stored.items() if s.customised)}
    return [_counting(name, stored.get(name)) for name in sorted(names)]


def template_version(name: str, version: int, ports: Ports) -> TemplateChange:
    """An earlier version, as it was kept. Raises NotFound."""
    kept = ports.store.get(TemplateChange, PARTITION, _history_key(name, version))
    if kept is None:
        raise NotFound("template", f"{name} version {version}")
    return kept


def _counting(name: str, stored: StoredTemplate | None) -> Template:
    version = stored.version if stored else 0
    if stored is not None and stored.customised:
        return Template(_content(stored), True, version)
    if name not in TEMPLATE_NAMES:
        raise NotFound("template", name)
    return Template(default_template(name), False, version)


def _content(stored: StoredTemplate) -> MailTemplate:
    return MailTemplate(stored.name, stored.subject or "", stored.text or "", stored.html or "")


def _stored(ports: Ports) -> dict[str, StoredTemplate]:
    page = ports.store.list(StoredTemplate, PARTITION, limit=CUSTOM_MAX + len(TEMPLATE_NAMES) + 1)
    return {s.name: s for s in page.items}


def template_names(ports: Ports) -> frozenset[str]:
    """The names that tiers and triggers may use."""
    return frozenset((*TEMPLATE_NAMES, *(name for name, s in _stored(ports).items() if s.customised)))


def _history_key(name: str, version: int) -> str:
    return f"{name}#{version:08d}"


# ---- changing -------------------------------------------------------------------------------------------------


def put_template(
    content: MailTemplate, ports: Ports, *, by: str, expect: Callable[[int], None]
) -> tuple[Template, bool]:
    """Keep an admin's template; whether its name is new. Invalid, naming part and line, if it does not render.

    `expect` is given the version that is replaced and may raise.
    """
    check(content)
    for _ in range(CONFLICT_RETRIES):
        before = ports.store.get(StoredTemplate, PARTITION, content.name) or StoredTemplate(content.name)
        expect(before.version)
        new = content.name not in TEMPLATE_NAMES and not before.customised
        if new and len(_stored(ports)) >= CUSTOM_MAX + len(TEMPLATE_NAMES):
            raise Refused("too_many_templates", f"there are {CUSTOM_MAX} templates of your own: remove one first")
        after = replace(before, subject=content.subject, text=content.text, html=content.html)
        if after == before:
            return _counting(content.name, before), False
        try:
            kept = _keep(after, by, ports)
        except Conflict:
            continue
        return _counting(content.name, kept), new
    raise Unavailable(f"the template {content.name} kept changing")


def reset_template(name: str, ports: Ports, *, by: str, expect: Callable[[int], None]) -> Template | None:
    """Back to the default; None for a name of the admin's own, which is gone. Refused while the settings use it."""
    for _ in range(CONFLICT_RETRIES):
        before = ports.store.get(StoredTemplate, PARTITION, name)
        current = _counting(name, before)
        expect(current.version)
        if before is None or not before.customised:
            return current
        if name not in TEMPLATE_NAMES and name in used_in(settings_of(ports).automations.past_due).values():
            raise Refused("in_use", f"the settings name the template {name}: change them first")
        try:
            kept = _keep(replace(before, subject=None, text=None, html=None), by, ports)
        except Conflict:
            continue
        return _counting(name, kept) if name in TEMPLATE_NAMES else None
    raise Unavailable(f"the template {name} kept changing")


def _keep(after: StoredTemplate, by: str, ports: Ports) -> StoredTemplate:
    """With its version in the history, in one transaction."""
    now, version = ports.clock.now(), after.version + 1
    after = replace(after, changed_at=now, changed_by=by)
    ports.store.commit(
        Save(after), Save(TemplateChange(after.name, version, now, by, after.subject, after.text, after.html))
    )
    return replace(after, version=version)


def check(content: MailTemplate) -> RenderedMail:
    """Its preview with sample data. Raises Invalid for the part, with the line, if any sample does not render."""
    try:
        return check_template(content)
    except TemplateError as error:
        raise invalid(error) from None


def invalid(error: TemplateError) -> Invalid:
    line = f"line {error.line}: " if error.line else ""
    return Invalid(error.part or "template", f"{line}{error.message}")


def used_in(past_due: PastDue) -> dict[str, str]:
    """Where the settings name templates: field and name."""
    at = "automations.past_due"
    named = {f"{at}.tiers[{n}].template": tier.template for n, tier in enumerate(past_due.tiers)}
    for n, trigger in enumerate(past_due.triggers):
        for m, action in enumerate(trigger.actions):
            if action.template is not None:
                named[f"{at}.triggers[{n}].actions[{m}].template"] = action.template
    return named


# ---- sending --------------------------------------------------------------------------------------------------


def mail_of(notice: Notice, data: Mapping[str, object], settings: Settings, ports: Ports) -> RenderedMail:
    """The mail in the template that counts for it. One that fails, or is gone, is stood in for by the default, and a
    person is told once per version. Raises TemplateError if even the default cannot say this.
    """
    name = template_name(notice, settings)
    stored = ports.store.get(StoredTemplate, PARTITION, name)
    if stored is not None and stored.customised:
        try:
            return render_mail(_content(stored), data)
        except TemplateError as error:
            _tell(name, stored.version, f"template {name} failed, {error}; the default was sent instead", notice, ports)
    elif name not in TEMPLATE_NAMES:
        _tell(name, 0, f"there is no template {name}; the default was sent instead", notice, ports)
    return render_mail(default_template(_stand_in(name, notice)), data)


def template_name(notice: Notice, settings: Settings) -> str:
    """A trigger names its template, and so does a tier; everything else has the template of its kind."""
    if notice.kind.startswith(BY_TRIGGER):
        return notice.kind.removeprefix(BY_TRIGGER)
    tiers = settings.automations.past_due.tiers
    if notice.tier is not None and notice.kind == f"past_due_{notice.tier}" and notice.tier <= len(tiers):
        return tiers[notice.tier - 1].template
    return notice.kind


def _stand_in(name: str, notice: Notice) -> str:
    return next((n for n in (name, notice.kind) if n in TEMPLATE_NAMES), FOR_OTHER_NAMES)


def _tell(name: str, version: int, reason: str, notice: Notice, ports: Ports) -> None:
    task = Task(derive_id("tsk_", TASK_KIND, name, version), TASK_KIND, reason, notice.id, ports.clock.now())
    try:
        ports.store.commit(Save(task))
    except Conflict:
        pass  # told already

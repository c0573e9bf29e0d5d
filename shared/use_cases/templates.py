"""Mail templates: changed by admins, checked before they are kept, and never in the way of a mail. PRODUCT 6, 12."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.domain.copies import replace
from shared.domain.errors import Invalid, NotFound, Refused
from shared.domain.ids import derive_id
from shared.domain.notice import Notice
from shared.domain.settings import Language, PastDue, Settings
from shared.domain.task import Task
from shared.domain.template import PARTITION, StoredTemplate, TemplateChange
from shared.domain.values import dataclass
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.rendering.defaults import TEMPLATE_NAMES, check_template, default_template
from shared.rendering.mail import MailTemplate, RenderedMail, TemplateError, render_mail
from shared.rendering.samples import FOR_OTHER_NAMES
from shared.rendering.speech import ENGLISH, LANGUAGES
from shared.rendering.spoken import spoken
from shared.use_cases.lookups import CONFLICT_RETRIES, settings_of
from shared.use_cases.notices import template_name

CUSTOM_MAX = 200  # templates with names of their own
TASK_KIND = "template_failed"


@dataclass(frozen=True, slots=True)
class Template:
    """A template as it counts: the admin's, or the default. `version` 0: never changed."""

    content: MailTemplate
    customised: bool
    version: int


# ---- reading --------------------------------------------------------------------------------------------------


def template_of(name: str, language: Language, ports: Ports) -> Template:
    """Raises NotFound for a name that neither Paidup nor an admin gave."""
    return _counting(name, language, _kept(name, ports))


def templates_of(language: Language, ports: Ports) -> list[Template]:
    """All of them, by name."""
    stored = _stored(ports)
    names = {*TEMPLATE_NAMES, *template_names(ports)}
    return [_counting(name, language, stored) for name in sorted(names)]


def template_version(name: str, version: int, ports: Ports) -> TemplateChange:
    """An earlier version, as it was kept. Raises NotFound."""
    kept = ports.store.get(TemplateChange, PARTITION, _history_key(name, version))
    if kept is None:
        raise NotFound("template", f"{name} version {version}")
    return kept


def _counting(name: str, language: Language, stored: Mapping[str, StoredTemplate]) -> Template:
    """The admin's in that language, or the default in it. A name of the admin's own is better said in another
    language than not at all.
    """
    its = stored.get(key_of(name, language))
    version = its.version if its else 0
    if its is not None and its.customised:
        return Template(_content(its), True, version)
    if name in TEMPLATE_NAMES:
        return Template(default_template(name, language), False, version)
    for other in LANGUAGES:
        found = stored.get(key_of(name, other))
        if found is not None and found.customised:
            return Template(_content(found), False, version)
    raise NotFound("template", name)


def key_of(name: str, language: str) -> str:
    """What a template is stored as. No name has a dot."""
    return name if language == ENGLISH else f"{name}.{language}"


def _content(stored: StoredTemplate) -> MailTemplate:
    return MailTemplate(stored.name.partition(".")[0], stored.subject or "", stored.text or "", stored.html or "")


def _kept(name: str, ports: Ports) -> dict[str, StoredTemplate]:
    """What is stored of one name, in every language."""
    keys = [(PARTITION, key_of(name, language)) for language in LANGUAGES]
    return {s.name: s for s in ports.store.get_many(StoredTemplate, keys)}


def _stored(ports: Ports) -> dict[str, StoredTemplate]:
    most = (CUSTOM_MAX + len(TEMPLATE_NAMES)) * len(LANGUAGES) + 1
    return {s.name: s for s in ports.store.list(StoredTemplate, PARTITION, limit=most).items}


def template_names(ports: Ports) -> frozenset[str]:
    """The names that tiers and triggers may use."""
    own = (key.partition(".")[0] for key, stored in _stored(ports).items() if stored.customised)
    return frozenset((*TEMPLATE_NAMES, *own))


def _history_key(name: str, version: int) -> str:
    return f"{name}#{version:08d}"


# ---- changing -------------------------------------------------------------------------------------------------


def put_template(
    content: MailTemplate, language: Language, ports: Ports, *, by: str, expect: Callable[[int], None]
) -> tuple[Template, bool]:
    """Keep an admin's template of a language; whether its name is new.

    Invalid, naming part and line, if it does not render. `expect` is given the version that is replaced and may raise.
    """
    check(content, language)
    key = key_of(content.name, language)
    for _ in range(CONFLICT_RETRIES):
        stored = _kept(content.name, ports)
        before = stored.get(key) or StoredTemplate(key)
        expect(before.version)
        new = content.name not in TEMPLATE_NAMES and not any(s.customised for s in stored.values())
        if new and len(template_names(ports)) >= CUSTOM_MAX + len(TEMPLATE_NAMES):
            raise Refused("too_many_templates", f"there are {CUSTOM_MAX} templates of your own: remove one first")
        after = replace(before, subject=content.subject, text=content.text, html=content.html)
        if after == before:
            return _counting(content.name, language, stored), False
        try:
            kept = _keep(after, by, ports)
        except Conflict:
            continue
        return _counting(content.name, language, {key: kept}), new
    raise Unavailable(f"the template {content.name} kept changing")


def reset_template(
    name: str, language: Language, ports: Ports, *, by: str, expect: Callable[[int], None]
) -> Template | None:
    """Back to the default of a language; None for a name of the admin's own, which is gone in it. The last of such a
    name stays while the settings use it.
    """
    key = key_of(name, language)
    for _ in range(CONFLICT_RETRIES):
        stored = _kept(name, ports)
        before, current = stored.get(key), _counting(name, language, stored)
        expect(current.version)
        if before is None or not before.customised:
            return current
        last = name not in TEMPLATE_NAMES and sum(s.customised for s in stored.values()) == 1
        if last and name in used_in(settings_of(ports).automations.past_due).values():
            raise Refused("in_use", f"the settings name the template {name}: change them first")
        try:
            kept = _keep(replace(before, subject=None, text=None, html=None), by, ports)
        except Conflict:
            continue
        return _counting(name, language, {key: kept}) if name in TEMPLATE_NAMES else None
    raise Unavailable(f"the template {name} kept changing")


def _keep(after: StoredTemplate, by: str, ports: Ports) -> StoredTemplate:
    """With its version in the history, in one transaction."""
    now, version = ports.clock.now(), after.version + 1
    after = replace(after, changed_at=now, changed_by=by)
    ports.store.commit(
        Save(after), Save(TemplateChange(after.name, version, now, by, after.subject, after.text, after.html))
    )
    return replace(after, version=version)


def check(content: MailTemplate, language: Language) -> RenderedMail:
    """Its preview with sample data. Raises Invalid for the part, with the line, if any sample does not render."""
    try:
        return check_template(content, language)
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


def mail_of(
    notice: Notice, data: Mapping[str, object], language: Language, settings: Settings, ports: Ports
) -> RenderedMail:
    """The mail in the template that counts for it, in the customer's language. One that fails, or is gone, is stood in
    for by the default, and a person is told once per version. Raises TemplateError if even the default cannot say this.
    """
    name, data = template_name(notice, settings), spoken(data, language)
    try:
        counting = template_of(name, language, ports)
    except NotFound:
        _tell(name, 0, f"there is no template {name}; the default was sent instead", notice, ports)
        return render_mail(default_template(_stand_in(name, notice), language), data)
    try:
        return render_mail(counting.content, data)
    except TemplateError as error:
        default = default_template(_stand_in(name, notice), language)
        if counting.content == default:
            raise
        key, version = key_of(name, language), counting.version
        _tell(key, version, f"template {name} failed, {error}; the default was sent instead", notice, ports)
        return render_mail(default, data)


def _stand_in(name: str, notice: Notice) -> str:
    return next((n for n in (name, notice.kind) if n in TEMPLATE_NAMES), FOR_OTHER_NAMES)


def _tell(name: str, version: int, reason: str, notice: Notice, ports: Ports) -> None:
    task = Task(derive_id("tsk_", TASK_KIND, name, version), TASK_KIND, reason, notice.id, ports.clock.now())
    try:
        ports.store.commit(Save(task))
    except Conflict:
        pass  # told already

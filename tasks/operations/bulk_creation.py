"""Making up to ten thousand tasks at once: every item is judged by itself, and all go in by a few statements."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import long_work
from core.problems import Conflict, DomainError, FieldError
from core.public import Operation, Principal, unit_of_work
from experts.public import Domain
from tasks import task_types
from tasks.models import Batch, Rubric, StoredFile, Task, TaskFile
from tasks.operations import batches, rubrics
from tasks.operations.locks import take_external_ids
from tasks.rubric_content import Rubric as Content
from tasks.rubric_rows import content_of

KIND: Final = "tasks.bulk_create"
MOST_ITEMS: Final = 10_000
_MEMBERS: Final = frozenset({"type", "payload", "external_id", "gold", "reference"})
_TAKES_TASKS: Final = frozenset({Batch.Status.STAGING, Batch.Status.IN_PROGRESS, Batch.Status.PAUSED})
_CHUNK: Final = 1000
_LARGEST_POSITION: Final = 2**31 - 1

Item = dict[str, Any]


class BatchClosed(Conflict):
    """The batch takes no more tasks: it is completed or cancelled. Make another one."""

    code = "batch_closed"
    title = gettext_lazy("The batch takes no more tasks")


class SomeItemsInvalid(DomainError):
    """Some items break a rule, so none was stored. Repair them, or send the same items with `skip_invalid_items`."""

    code = "invalid_items"
    status = 400
    title = gettext_lazy("Some items are not valid")


@dataclass
class _Judged:
    """What a pass over the items found: tasks to make, and what is wrong with the others."""

    good: list[tuple[int, Item]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class _Known:
    """What the items refer to, looked up once for all of them."""

    batch: Batch
    files: dict[str, StoredFile]
    rubrics: dict[str, Content]
    external_ids: set[str]
    domains: set[str]


def start(
    *, batch: Batch, items: Sequence[Any], skip_invalid_items: bool, by: Principal, now: dt.datetime
) -> Operation:
    """Have a worker make the tasks. Raises BatchClosed when the batch takes none."""
    if batch.status not in _TAKES_TASKS:
        raise BatchClosed
    params = {"batch": batch.pk, "items": list(items), "skip_invalid_items": skip_invalid_items}
    return long_work.start(kind=KIND, params=params, principal=by, now=now, total=len(items))


@long_work.runner(KIND)
def run(operation: Operation, now: dt.datetime) -> None:
    """Do it: judge all, insert all, report all, in one unit of work. A second run finds it finished."""
    with unit_of_work(Principal.system(KIND), reason=operation.public_id):
        batch = batches.lock(Batch.objects.get(pk=operation.params["batch"]))
        if batch.status not in _TAKES_TASKS:
            raise BatchClosed
        items: list[Any] = operation.params["items"]
        judged = _judge(items, _look_up(items, batch))
        skip = operation.params["skip_invalid_items"]
        results = _insert(batch, judged.good, now=now) if skip or not judged.errors else []
        if judged.errors and not skip:
            judged.errors.append({"code": SomeItemsInvalid.code, "detail": str(_refusal(judged))})
        Operation.objects.filter(pk=operation.pk).update(params={"batch": batch.pk, "items": len(items)})
        operation.params = {}
        long_work.finish(operation, now=now, results=results, errors=judged.errors)


def _refusal(judged: _Judged) -> str:
    count = len({error["index"] for error in judged.errors})
    return _("Nothing was stored: %(count)d items are not valid, and skip_invalid_items was not set.") % {
        "count": count
    }


def _look_up(items: Sequence[Any], batch: Batch) -> _Known:
    """Everything of this tenant that the items name; a handful of queries however many items there are.

    Their external ids are nobody else's to give until these are stored.
    """
    payloads = [item["payload"] for item in items if isinstance(item, dict) and isinstance(item.get("payload"), dict)]
    files = {key for payload in payloads for key in _texts(payload.get("context_files"))}
    rubric_ids = set(_texts([payload.get("rubric") for payload in payloads]))
    external_ids = set(_texts([item.get("external_id") for item in items if isinstance(item, dict)]))
    if external_ids:
        take_external_ids(batch.tenant_id)
    tenant = {"tenant_id": batch.tenant_id}
    return _Known(
        batch=batch,
        files={file.public_id: file for file in StoredFile.objects.filter(**tenant, public_id__in=files)},
        rubrics={
            rubric.public_id: content_of(rubric)
            for rubric in Rubric.objects.filter(**tenant, public_id__in=rubric_ids).prefetch_related("criteria")
        },
        external_ids=set(
            Task.objects.filter(**tenant, external_id__in=external_ids).values_list("external_id", flat=True)
        ),
        domains=set(Domain.objects.values_list("code", flat=True)),
    )


def _texts(values: Any) -> Iterator[str]:
    return (value for value in values if isinstance(value, str)) if isinstance(values, list) else iter(())


def _judge(items: Sequence[Any], known: _Known) -> _Judged:
    judged, seen = _Judged(), set(known.external_ids)
    for index, item in enumerate(items):
        found = list(_errors(item, known))
        external_id = item.get("external_id") if isinstance(item, dict) else None
        if not found and external_id is not None:
            if external_id in seen:
                found = [FieldError("/external_id", "taken", _("Another task of yours has this external id."))]
            seen.add(external_id)
        if found:
            judged.errors += [
                {"index": index, "pointer": f"/tasks/{index}{e.pointer}", "code": e.code, "detail": str(e.detail)}
                for e in found
            ]
        else:
            judged.good.append((index, item))
    return judged


def _errors(item: Any, known: _Known) -> Iterable[FieldError]:
    """Everything wrong with one item; pointers start at the item."""
    if not isinstance(item, dict):
        return [FieldError("", "wrong_type", _("Expected an object."))]
    found = [
        FieldError(f"/{name}", "unknown_field", _("This field is not known here."))
        for name in item
        if name not in _MEMBERS
    ]
    found += _shape_errors(item)
    code = item.get("type")
    if code not in known.batch.project.task_types or code not in task_types.REGISTRY:
        detail = _("The project has the types: %(types)s.") % {"types": ", ".join(known.batch.project.task_types)}
        return [*found, FieldError("/type", "unknown_type", detail)]
    if found:
        return found
    return [*_payload_errors(task_types.get(code), item, known), *_gold_errors(task_types.get(code), item, known)]


def _shape_errors(item: Item) -> list[FieldError]:
    found = []
    external_id = item.get("external_id", "ok")
    if not (isinstance(external_id, str) and 0 < len(external_id) <= 255 and external_id.isprintable()):
        found.append(FieldError("/external_id", "invalid", _("Expected 1 to 255 visible characters.")))
    if not isinstance(item.get("payload"), dict):
        found.append(FieldError("/payload", "wrong_type", _("Expected an object.")))
    found += [
        FieldError(f"/{name}", "wrong_type", _("Expected an object."))
        for name in ("gold", "reference")
        if name in item and not isinstance(item[name], dict)
    ]
    if "gold" in item and "reference" in item:
        found.append(FieldError("/reference", "ambiguous", _("Gold is a reference already: send one of the two.")))
    return found


def _payload_errors(kind: task_types.TaskType, item: Item, known: _Known) -> list[FieldError]:
    payload = item["payload"]
    found = kind.payload_schema(kind.version).errors(payload)
    if not found:
        found = kind.payload_errors(payload, overlap=known.batch.overlap)
        for place, file_id in enumerate(kind.file_ids(payload)):
            if file_id not in known.files:
                found.append(FieldError(f"/context_files/{place}", "unknown_file", _("You have no such file.")))
        rubric_id = kind.rubric_id(payload)
        if rubric_id and rubric_id not in known.rubrics:
            found.append(FieldError("/rubric", "unknown_rubric", _("You have no such rubric.")))
        if payload.get("domain", None) not in {None, *known.domains}:
            found.append(FieldError("/domain", "unknown_domain", _("There is no such domain; see GET /domains.")))
    return [FieldError(f"/payload{error.pointer}", error.code, error.detail) for error in found]


def _gold_errors(kind: task_types.TaskType, item: Item, known: _Known) -> list[FieldError]:
    """Gold is an expected submission of the task's own type."""
    if "gold" not in item:
        return []
    if not kind.takes_gold:
        return [FieldError("/gold", "not_possible", _("This type has no single right answer: send a reference."))]
    found = kind.submission_schema(kind.version).errors(item["gold"])
    if not found:
        found = kind.gold_errors(item["gold"], known.rubrics.get(kind.rubric_id(item["payload"])))
    return [FieldError(f"/gold{error.pointer}", error.code, error.detail) for error in found]


def _insert(batch: Batch, good: Sequence[tuple[int, Item]], *, now: dt.datetime) -> list[dict[str, Any]]:
    known_rubrics = _freeze_rubrics(batch, good, now=now)
    tasks = [_task(batch, item, known_rubrics) for _index, item in good]
    Task.objects.bulk_create(tasks, batch_size=_CHUNK)
    _link_files(batch, tasks)
    if batch.status != Batch.Status.STAGING:
        batches.offer(Task.objects.filter(batch=batch, status=Task.Status.PENDING))
    return [
        {"index": index, "external_id": task.external_id or None, "id": task.public_id}
        for (index, _item), task in zip(good, tasks, strict=True)
    ]


def _freeze_rubrics(batch: Batch, good: Sequence[tuple[int, Item]], *, now: dt.datetime) -> dict[str, Rubric]:
    """Rubrics that tasks grade by: frozen, so that all graders grade by the same text."""
    wanted = {item["payload"]["rubric"] for _index, item in good if "rubric" in item["payload"]}
    found = {row.public_id: row for row in Rubric.objects.filter(tenant_id=batch.tenant_id, public_id__in=wanted)}
    for rubric in sorted(found.values(), key=lambda row: row.pk):
        rubrics.freeze(rubric=rubric, now=now)
    return found


def _task(batch: Batch, item: Item, known_rubrics: dict[str, Rubric]) -> Task:
    kind = task_types.get(item["type"])
    return Task(
        tenant_id=batch.tenant_id,
        batch=batch,
        project_id=batch.project_id,
        type=kind.code,
        schema_version=kind.version,
        payload=item["payload"],
        external_id=item.get("external_id", ""),
        is_gold="gold" in item,
        reference=item.get("gold", item.get("reference")),
        rubric=known_rubrics.get(kind.rubric_id(item["payload"])),
        position=secrets.randbelow(_LARGEST_POSITION),
    )


def _link_files(batch: Batch, tasks: Sequence[Task]) -> None:
    wanted = [(task, file_id) for task in tasks for file_id in task_types.get(task.type).file_ids(task.payload)]
    if not wanted:
        return
    ids = dict(
        StoredFile.objects.filter(
            tenant_id=batch.tenant_id, public_id__in={file_id for _task, file_id in wanted}
        ).values_list("public_id", "pk")
    )
    links = [TaskFile(tenant_id=batch.tenant_id, task=task, file_id=ids[file_id]) for task, file_id in wanted]
    TaskFile.objects.bulk_create(links, batch_size=_CHUNK)

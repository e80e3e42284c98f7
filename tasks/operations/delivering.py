"""Deliveries: finished tasks of a project as one file, the same bytes however often it is made."""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from typing import IO, Any, Final

import orjson
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import long_work, outbox, states, uploads
from core.problems import Conflict
from core.public import Operation, Principal, unit_of_work
from marketplace.public import Project
from tasks import task_types
from tasks.export_rows import item_of, with_parts
from tasks.exports import healthbench, native
from tasks.exports.item import Item, LeftOut
from tasks.models import Batch, Delivery, Task

KIND: Final = "tasks.deliver"
FOLDER: Final = "deliveries"
MANIFEST_VERSION: Final = 1
_CHUNK: Final = 200
_WRITERS: Final[Mapping[str, Callable[[Item], Mapping[str, Any]]]] = {
    Delivery.Format.NATIVE: native.write,
    Delivery.Format.HEALTHBENCH: healthbench.write,
}


class DeliveryNotReady(Conflict):
    """The file is not there yet (or could not be made): `delivery_status` tells. Poll the delivery or its operation."""

    code = "delivery_not_ready"
    title = gettext_lazy("The delivery is not ready")
    example_members = {"delivery_status": "preparing"}


def request(
    *,
    project: Project,
    format: str,  # noqa: A002  # the API's own word
    by: Principal,
    now: dt.datetime,
    batch: Batch | None = None,
    since: dt.datetime | None = None,
) -> Operation:
    """Have a worker write the file: tasks completed in ``[since, now)``, of one batch or all."""
    delivery = Delivery.objects.create(
        tenant_id=project.tenant_id, project=project, batch=batch, format=format, since=since, until=now
    )
    operation = long_work.start(kind=KIND, params={"delivery": delivery.pk}, principal=by, now=now)
    delivery.operation = operation
    delivery.save(update_fields=["operation"])
    return operation


@long_work.runner(KIND)
def run(operation: Operation, now: dt.datetime) -> None:
    """Write it chunk by chunk, then publish it with its manifest. A second run finds it finished or begins anew."""
    with unit_of_work(Principal.system(KIND), reason=operation.public_id):
        delivery = Delivery.objects.select_related("project", "batch").get(pk=operation.params["delivery"])
    if delivery.status == Delivery.Status.FAILED:  # whoever noted that did not live to tell it
        long_work.finish(operation, now=now, errors=[{"code": "internal_error", "detail": _("It failed.")}])
        return
    try:
        with tempfile.TemporaryFile() as file:
            written = _write(file, delivery, operation, now=now)
            file.seek(0)
            _publish(delivery, file, written, operation, now=now)
    except Exception as error:
        if not long_work.ends(operation, error, now=now):
            raise
        with unit_of_work(Principal.system(KIND), reason=operation.public_id):
            failed = _lock(delivery)
            if failed.status == Delivery.Status.PREPARING:
                states.move(failed, Delivery.Status.FAILED)
                failed.save(update_fields=["status"])
        raise


class _Written:
    """What went into the file."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.size = 0
        self.items = 0
        self.left_out: Counter[str] = Counter()
        self.schemas: set[tuple[str, int]] = set()
        self.raters: set[str] = set()
        self.agreements: list[float] = []

    def line(self, file: IO[bytes], document: Mapping[str, Any], item: Item) -> None:
        """Append one line and remember what the manifest tells about it."""
        raw = orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)
        file.write(raw)
        self.digest.update(raw)
        self.size += len(raw)
        self.items += 1
        self.schemas.add((item.type, item.schema_version))
        self.raters.update(part.rater for part in (item.final, *item.others))
        if item.rater_agreement and item.rater_agreement["raw"] is not None:
            self.agreements.append(item.rater_agreement["raw"])


def _write(file: IO[bytes], delivery: Delivery, operation: Operation, *, now: dt.datetime) -> _Written:
    """Walk along the key, each chunk in a unit of work of its own, so that memory and locks stay small."""
    written, last, chunks = _Written(), 0, 0
    writer = _WRITERS[delivery.format]
    while True:
        with unit_of_work(Principal.system(KIND), reason=operation.public_id):
            rows = list(with_parts(_finished(delivery).filter(pk__gt=last)).order_by("pk")[:_CHUNK])
            for task in rows:
                item = item_of(task)
                try:
                    written.line(file, writer(item), item)
                except LeftOut as error:
                    written.left_out[error.reason] += 1
            chunks += 1
            Operation.objects.filter(pk=operation.pk, finished_at=None).update(
                done=written.items, lease_until=now + long_work.LEASE * (chunks + 1)
            )
        if len(rows) < _CHUNK:
            return written
        last = rows[-1].pk


def _publish(delivery: Delivery, file: IO[bytes], written: _Written, operation: Operation, *, now: dt.datetime) -> None:
    with unit_of_work(Principal.system(KIND), reason=operation.public_id):
        locked = _lock(delivery)
        if locked.status != Delivery.Status.PREPARING:
            return
        states.move(locked, Delivery.Status.READY)
        locked.sha256, locked.size, locked.items = written.digest.hexdigest(), written.size, written.items
        locked.manifest = _manifest(delivery, written)
        locked.storage_name = uploads.keep(file, folder=FOLDER)
        locked.ready_at = now
        locked.save()
        outbox.publish(
            "delivery.ready",
            subject=locked.public_id,
            tenant_id=locked.tenant_id,
            payload={"delivery": locked.public_id},
            now=now,
        )
        long_work.finish(operation, now=now, results=[{"id": locked.public_id}])


def _lock(delivery: Delivery) -> Delivery:
    return Delivery.objects.select_for_update(no_key=True, of=("self",)).get(pk=delivery.pk)


def _in_question(delivery: Delivery) -> QuerySet[Task]:
    tasks = Task.objects.filter(project_id=delivery.project_id)
    return tasks.filter(batch_id=delivery.batch_id) if delivery.batch_id else tasks


def _finished(delivery: Delivery) -> QuerySet[Task]:
    tasks = _in_question(delivery).filter(status=Task.Status.COMPLETED, is_gold=False, finished_at__lt=delivery.until)
    return tasks.filter(finished_at__gte=delivery.since) if delivery.since else tasks


def _left_out(delivery: Delivery) -> dict[str, int]:
    """Why the other tasks are not in the file, by reason."""
    tasks = _in_question(delivery)
    completed = Q(status=Task.Status.COMPLETED)
    too_early = completed & Q(is_gold=False, finished_at__lt=delivery.since) if delivery.since else Q(pk=None)
    counts: dict[str, int] = {
        f"status_{row['status']}": row["count"]
        for row in tasks.filter(is_gold=False)
        .exclude(completed)
        .order_by()
        .values("status")
        .annotate(count=Count("pk"))
    }
    counts["gold"] = tasks.filter(is_gold=True).count()
    counts["finished_before_since"] = tasks.filter(too_early).count()
    counts["finished_after_request"] = tasks.filter(completed, is_gold=False, finished_at__gte=delivery.until).count()
    return {reason: count for reason, count in sorted(counts.items()) if count}


def _manifest(delivery: Delivery, written: _Written) -> dict[str, Any]:
    instructions = delivery.project.instructions.filter(published_at__lt=delivery.until).order_by("-number").first()
    return {
        "manifest_version": MANIFEST_VERSION,
        "format": delivery.format,
        "format_version": native.VERSION,
        "project": delivery.project.public_id,
        "batch": delivery.batch.public_id if delivery.batch else None,
        "since": delivery.since.isoformat() if delivery.since else None,
        "until": delivery.until.isoformat(),
        "items": written.items,
        "bytes": written.size,
        "sha256": written.digest.hexdigest(),
        "left_out": {**_left_out(delivery), **dict(sorted(written.left_out.items()))},
        "schemas": [
            {
                "type": code,
                "version": version,
                "payload": task_types.get(code).payload_schema(version).sha256,
                "submission": task_types.get(code).submission_schema(version).sha256,
            }
            for code, version in sorted(written.schemas)
        ],
        "raters": len(written.raters),
        "rater_agreement": {
            "items": len(written.agreements),
            "mean_raw": sum(written.agreements) / len(written.agreements) if written.agreements else None,
        },
        "instructions": {
            "id": instructions.public_id,
            "number": instructions.number,
            "sha256": instructions.sha256,
        }
        if instructions
        else None,
    }

"""Files over REST: uploaded by a lab, referred to by tasks, read by whoever works on them."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from core import uploads
from tasks.jobs import PERIODIC, sweep_files
from tasks.models import StoredFile
from tests.experts.people import PDF, upload
from tests.marketplace.world import platform
from tests.tasks.world import EXPERT, LAB, Desk, authoring, finish, make_batch, make_desk, make_worker, post_tasks

pytestmark = pytest.mark.django_db


def send(desk: Desk, content: bytes = PDF, **fields: Any) -> Any:
    client = Client(headers=desk.call.headers)
    return client.post(f"{LAB}/files", {"file": upload(content, name="../../ecg.exe"), **fields})


def test_a_file_is_kept_under_a_random_name_with_its_hash() -> None:
    desk = make_desk()
    answer = send(desk)
    assert answer.status_code == 201, answer.content
    file = answer.json()
    assert (file["name"], file["media_type"], file["size"]) == ("ecg.pdf", "application/pdf", len(PDF))
    assert file["sha256"] == hashlib.sha256(PDF).hexdigest()
    with platform():
        assert "ecg" not in StoredFile.objects.get().storage_name
    downloaded = desk.call("GET", file["download"])
    assert b"".join(downloaded.streaming_content) == PDF
    assert downloaded.headers["X-Content-Type-Options"] == "nosniff"
    assert downloaded.headers["Content-Disposition"].startswith("attachment")


def test_bytes_that_no_row_knows_are_swept_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a failed upload and a failed delivery left goes once it is old; what any lab has stays, read as before."""
    desk, rival = make_desk(), make_desk("Rival")
    kept = [(each, send(each).json()) for each in (desk, rival)]
    path = f"{LAB}/projects/{desk.project.public_id}/deliveries"
    made = finish(desk, desk.call("POST", path, {"format": "native"}))["results"][0]["id"]
    orphans = [uploads.keep(upload(), folder=folder) for folder in ("files", "deliveries")]
    sweep_files()
    assert all(default_storage.exists(name) for name in orphans)  # somebody may be storing them this moment
    monkeypatch.setattr(uploads, "FORGOTTEN_AFTER", dt.timedelta(seconds=-5))
    sweep_files()
    assert not any(default_storage.exists(name) for name in orphans)
    for each, file in kept:
        assert b"".join(each.call("GET", file["download"]).streaming_content) == PDF
    assert desk.call("GET", f"{LAB}/deliveries/{made}/download").status_code == 200
    assert "tasks.sweep_files" in PERIODIC


def test_what_is_not_accepted_is_not_kept() -> None:
    desk = make_desk()
    assert send(desk, b"MZ\x00\x01binary").json()["code"] == "upload_type_refused"
    active = PDF.replace(b"trailer", b"/JavaScript (x) trailer")
    assert send(desk, active).json()["code"] == "file_refused"
    assert send(desk, b"").status_code == 400
    assert send(desk, colour="red").status_code == 400
    with platform():
        assert not StoredFile.objects.exists()


def test_only_who_works_on_the_task_reads_its_file() -> None:
    desk, rival = make_desk(), make_desk("Rival")
    ada, bob = make_worker(desk), make_worker(desk, "bob@example.org")
    file_id = send(desk).json()["id"]
    make_batch(desk, [authoring(context_files=[file_id])])
    held = ada.claim()
    (shown,) = held["files"]
    assert shown["id"] == file_id
    assert b"".join(ada.call("GET", shown["download"]).streaming_content) == PDF
    assert bob.call("GET", f"{EXPERT}/files/{file_id}/download").status_code == 404
    assert rival.call("GET", f"{LAB}/files/{file_id}").status_code == 404
    assert rival.call("GET", f"{LAB}/files/{file_id}/download").status_code == 404


def test_a_foreign_file_cannot_be_referred_to() -> None:
    desk, rival = make_desk(), make_desk("Rival")
    file_id = send(desk).json()["id"]
    batch = rival.call("POST", f"{LAB}/projects/{rival.project.public_id}/batches", {"name": "First"}).json()
    operation = post_tasks(rival, batch["id"], [authoring(context_files=[file_id])])
    assert operation["errors"][0]["pointer"] == "/tasks/0/payload/context_files/0"
